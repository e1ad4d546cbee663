"""Rules and the default of a router: read and shown alike, and every mistake named at its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from bandit.types import RuleMode
from gateway.settings import SettingsError, load
from gateway.settings.router_options import OptionsError, RouterOptions
from gateway.settings.rule_options import LONGEST_WHEN, MOST_RULES, check_rules
from gateway.settings.table_reader import Fields, Problem
from storage.records import RouterModel, Variant

MODELS = (RouterModel("a/one"), RouterModel("b/two"), RouterModel("c/off", enabled=False))
CODE = {"when": "code", "use": "a/one"}


def problems_of(settings: dict[str, Any], models: tuple[RouterModel, ...] = MODELS) -> list[str]:
    found: list[Problem] = []
    fields = Fields(settings, found)
    try:
        RouterOptions.from_json(settings)
    except OptionsError as error:
        found += error.problems
    check_rules(fields, settings, models)
    return [f"{problem.dotted()} {problem.message}" for problem in found]


def never(when: str, use: str) -> dict[str, Any]:
    return {"when": when, "use": use, "mode": "never"}


def test_rules_are_shown_as_they_are_set_with_their_defaults() -> None:
    settings: dict[str, Any] = {"rules": [CODE, never("math", "b/two")], "default": "b/two"}
    options = RouterOptions.from_json(settings)
    shown = json.loads(json.dumps(options.to_json()))
    assert shown["rules"][0] == {"when": "code", "use": "a/one", "mode": "prefer", "weight": 20.0}
    assert shown["rules"][1] == never("math", "b/two")
    assert shown["default"] == {"use": "b/two", "mode": "prefer", "weight": 20.0}
    assert RouterOptions.from_json(shown) == options
    assert options.rules[1].mode is RuleMode.NEVER


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rules": "code"}, "rules must be a list of tables"),
        ({"rules": [CODE] * (MOST_RULES + 1)}, "rules has 51 rules; a router takes at most 50"),
        ({"rules": [{"use": "a/one"}]}, "rules[0] needs when"),
        ({"rules": [{"when": "code"}]}, "rules[0] needs use"),
        ({"rules": [CODE | {"when": " "}]}, "rules[0].when must be a condition"),
        ({"rules": [CODE | {"when": "c" * (LONGEST_WHEN + 1)}]}, "rules[0].when has 501 characters; at most 500"),
        (
            {"rules": [CODE, CODE | {"when": "wenn es um Code geht"}]},
            "rules[1].when says what is not understood: “wenn",
        ),
        ({"rules": [CODE | {"when": "code when it rains"}]}, "“rains”; write in English"),
        ({"rules": [CODE | {"use": "c/off"}]}, 'rules[0].use names a model that the router has not enabled: "c/off"'),
        ({"rules": [CODE | {"use": "a/onne"}]}, "enabled are a/one, b/two"),
        ({"rules": [CODE | {"use": 3}]}, "rules[0].use must be a model id"),
        ({"rules": [CODE | {"mode": "sometimes"}]}, 'rules[0].mode must be "always", "prefer" or "never"'),
        ({"rules": [CODE | {"weight": 0}]}, "rules[0].weight must be more than 0"),
        ({"rules": [CODE | {"weight": 1e5}]}, "at most 10,000"),
        ({"rules": [CODE | {"mode": "always", "weight": 3}]}, 'rules[0].weight is for mode "prefer" alone'),
        ({"rules": [CODE | {"thinking": "high"}]}, 'has not enabled: "a/one@high"; enabled are a/one, b/two'),
        ({"rules": [CODE | {"thinking": "hihg"}]}, 'did you mean "high"?'),
        ({"default": "c/off"}, "default names a model that the router has not enabled"),
        ({"default": {"use": "a/one", "mode": "never"}}, 'default.mode must be "always" or "prefer"'),
        ({"default": {"use": "a/one", "when": "code"}}, "default.when is not a known key"),
        ({"default": 3}, "default must be a table"),
    ],
)
def test_a_mistake_is_named_at_its_place(settings: dict[str, Any], said: str) -> None:
    problems = problems_of(settings)
    assert any(said in problem for problem in problems), problems


def test_a_level_of_thinking_names_the_arm_of_that_level() -> None:
    models = (RouterModel("a/one", variant=Variant("low", thinking="low")), RouterModel("b/two"))
    settings: dict[str, Any] = {"rules": [{"when": "math", "use": "a/one", "thinking": "low"}]}
    assert problems_of(settings, models) == []
    shown = RouterOptions.from_json(settings).to_json()["rules"]
    assert shown == [{"when": "math", "use": "a/one@low", "mode": "prefer", "weight": 20.0}]
    assert "has not enabled" in problems_of({"rules": [{"when": "math", "use": "a/one"}]}, models)[0]


@pytest.mark.parametrize(
    ("rules", "together"),
    [
        ([never("code", "a/one"), never("code review", "b/two")], "rules[0] and rules[1]"),
        ([never("everything", "a/one"), CODE, never("long code", "b/two")], "rules[0] and rules[2]"),
        ([never("in German", "a/one"), never('key "x"', "b/two")], "rules[0] and rules[1]"),
        ([never("after 18:00", "a/one"), never("between 22 and 3", "b/two")], "rules[0] and rules[1]"),
        ([never('metadata.a is "1"', "a/one"), never('metadata.b is "2"', "b/two")], "rules[0] and rules[1]"),
        ([never('task "x"', "a/one"), never("not code or math", "b/two")], "rules[0] and rules[1]"),
    ],
)
def test_rules_that_leave_no_model_for_some_request_are_refused(rules: list[dict[str, Any]], together: str) -> None:
    (problem,) = problems_of({"rules": rules})
    assert problem.startswith("rules leave no model for some requests")
    assert together in problem


@pytest.mark.parametrize(
    "rules",
    [
        [never("code", "a/one"), never("math", "b/two")],
        [never("long code", "a/one"), never("short code", "b/two")],
        [never("in German", "a/one"), never("not in German", "b/two")],
        [never("before 9", "a/one"), never("after 9", "b/two")],
        [never('metadata.a is "1"', "a/one"), never('metadata.a is "2"', "b/two")],
        [never("images", "a/one"), never("no images", "b/two")],
        [never("everything", "a/one")],
    ],
)
def test_rules_that_never_hold_together_may_exclude_every_model(rules: list[dict[str, Any]]) -> None:
    assert problems_of({"rules": rules}) == []


def test_too_many_kinds_of_requests_to_tell_are_refused_and_not_tried_for_ever() -> None:
    many = [never(f'metadata.k{number} is "x" and key "k{number}"', "a/one") for number in range(20)]
    (problem,) = problems_of({"rules": [*many, never("math and no images", "b/two")]})
    assert "too much to tell" in problem or "leave no model" in problem


def test_the_file_names_the_line_of_a_rule_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(
        '[providers.p]\nbase_url = "http://localhost:1/v1"\n[routers.rtr_a]\nmodels = ["p/a"]\n'
        'rules = [{ when = "code", use = "p/b" }]\n'
    )
    with pytest.raises(SettingsError, match=r'line 5: routers.rtr_a.rules\[0\].use names a model .*"p/b"'):
        load(path, {})
