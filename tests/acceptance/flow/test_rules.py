"""Rules of a router from end to end, with the real client, on both databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from bandit.ope.targets import Proposal
from bandit.types import Epoch, RuleMode
from gateway.analyst.answers import evaluation
from gateway.analyst.log import RouterLog
from gateway.reports.explanation import Explained, explain
from gateway.routing.rules import rule_of
from storage.stores.first_draws import FirstDraws
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

ROUTER = "rtr_rules"
CODE = "Fix this bug: def f(x): return x +"
PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
MODELS = ("good-a", "good-b", "good-c", "status-500")


@pytest.fixture
def running(ledger_url: str, tmp_path: Path) -> Iterator[Running]:
    text = f'database_url = "{ledger_url}"\n[providers.p]\nbase_url = "URL/v1"\n'
    for name in MODELS:
        abilities = ["tools", "vision"] if name == "good-c" else ["tools"]
        text += f'[models."p/{name}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'
        text += f"abilities = {abilities}\ncontext_window = 100000\n"
    text += f"[routers.{ROUTER}]\nmodels = {[f'p/{name}' for name in MODELS[:3]]}\n"
    with serve_app(scripted(Received())) as url, run_gateway(text.replace("URL", url), tmp_path) as gateway:
        yield gateway


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    with running.http("admin") as http:
        yield http


def change(running: Running, admin: httpx.Client, **fields: Any) -> None:
    """Change the router, and serve it as it is from then on."""
    answer = admin.patch(f"/admin/routers/{ROUTER}", json=fields)
    assert answer.status_code == 200, answer.text
    changed = answer.json()

    def is_served() -> bool:
        live = running.gateway.routers[ROUTER]
        return live.options.to_json() == changed["settings"] and sorted(live.models) == sorted(
            changed["enabled_models"]
        )

    wait_until(is_served, "the router is served as it was changed")
    running.forget_cooldowns()


def ask(running: Running, content: Any = "Hello!", key: str = "routing", **more: Any) -> tuple[str, str, Explained]:
    messages: Any = [{"role": "user", "content": content}]
    answer: Any = running.client(ROUTER, key).chat.completions.create(
        model="dari/routing", messages=messages, max_tokens=20, **more
    )
    database = running.gateway.database
    view = Ledger(database).decision(answer.id.removeprefix("chatcmpl-"))
    record = Routers(database).get(ROUTER)
    assert view is not None
    assert record is not None
    explained = explain(view, record.secret)
    assert explained.verdict == "replayed: identical"
    assert explained.view.decision.propensity == next(
        (arm.p for arm in explained.choice.arms if arm.model_id == explained.view.decision.drawn_model_id), None
    )
    return answer.model, answer.dari_routing["reason"], explained


def rule(when: str, use: str, mode: str = "always", **more: Any) -> dict[str, Any]:
    return {"when": when, "use": f"p/{use}", "mode": mode, **more}


def test_rules_decide_as_they_say(running: Running, admin: httpx.Client) -> None:
    rules = [
        rule("code with images", "good-a"),
        rule('metadata.team is "ads"', "good-c", "never"),
        rule('metadata.team is "ads" and code', "good-c"),
        rule("code", "good-b"),
        rule("in German", "good-c"),
        rule('key "other" and tools', "good-c"),
        rule('task "triage"', "good-c"),
        rule("math", "good-a", "prefer", weight=1_000),
    ]
    change(running, admin, rules=rules, default={"use": "p/good-a", "mode": "always"})
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]

    model, reason, explained = ask(running, CODE)
    assert model == "p/good-b"
    assert "p/good-b by a rule of this router" in reason
    assert "Rule 4 demands p/good-b." in reason
    assert "The default" not in reason
    assert explained.choice.rule == explained.choice.rules[0]
    assert (explained.choice.rules[0].when, explained.choice.rules[0].mode) == ("code", RuleMode.ALWAYS)
    assert [arm.p for arm in explained.choice.arms] == [0.0, 1.0, 0.0]
    assert explained.drawn_again

    assert ask(running)[0] == "p/good-a"  # the default
    assert ask(running, "Wie wird das Wetter morgen in Berlin, und was soll ich anziehen?")[0] == "p/good-c"
    assert ask(running, key="other", tools=tools)[0] == "p/good-c"
    assert ask(running, tools=tools)[0] == "p/good-a"
    assert ask(running, metadata={"task": "triage"})[0] == "p/good-c"

    model, reason, explained = ask(running, [*PICTURE, {"type": "text", "text": CODE}])
    assert model == "p/good-c"  # the only one that sees
    assert "Rule 1 is passed over: p/good-a lacks vision." in reason

    model, reason, explained = ask(running, CODE, metadata={"team": "ads"})
    assert model == "p/good-b"
    assert "Rule 2 excludes p/good-c." in reason
    assert "Rule 3 is passed over: p/good-c is excluded by rule 2." in reason
    assert "p/good-c" not in {arm.model_id for arm in explained.choice.arms}

    _, reason, explained = ask(running, "Compute the integral of x^2 from 0 to 3.")
    assert "Rule 8 prefers p/good-a, like 1000 scores of 1." in reason
    assert "which a rule of this router adds to (no scores yet" in reason
    assert explained.choice.unpreferred is not None

    whole = admin.get(f"/admin/decisions/{explained.view.decision.completion_id}").json()
    assert whole["rules"][0] == {
        "number": 8,
        "mode": "prefer",
        "model": "p/good-a",
        "weight": 1000.0,
        "when": "math",
        "passed_over": "",
        "in_force": True,
    }

    with pytest.raises(openai.BadRequestError) as refused:
        ask(running, PICTURE, metadata={"team": "ads"})
    assert refused.value.code == "no_capable_model"
    assert "p/good-c is excluded by rule 2" in refused.value.message
    assert "p/good-a lacks vision" in refused.value.message


def test_a_demanded_model_that_fails_is_followed_by_another_and_passed_over_while_it_cools(
    running: Running, admin: httpx.Client
) -> None:
    change(running, admin, enabled_models=[f"p/{name}" for name in MODELS])
    change(running, admin, rules=[rule("everything", "status-500"), rule("chat", "good-b", "never")], sticky_seconds=60)
    model, reason, explained = ask(running, user="u1")
    assert explained.view.decision.drawn_model_id == "p/status-500"
    assert "p/status-500 failed, so" in reason
    assert model in {"p/good-a", "p/good-c"}
    while "passed over" not in (told := ask(running, user="u2"))[1]:
        assert told[2].view.decision.drawn_model_id == "p/status-500"
    assert "Rule 1 is passed over: p/status-500 " in told[1]
    assert told[0] != "p/good-b"
    # A conversation leaves its model for a rule that demands another one.
    change(running, admin, rules=[rule("everything", "good-b")])
    assert ask(running, user="u1")[0] == "p/good-b"


def test_what_would_have_come_without_a_rule_is_told_of_a_preference_and_refused_of_a_ban(
    running: Running, admin: httpx.Client, ledger_url: str
) -> None:
    change(running, admin, rules=[rule("math", "good-a", "never"), rule("chat", "good-b", "prefer", weight=500)])
    for _ in range(60):
        ask(running)
    change(
        running,
        admin,
        rules=[rule("math", "good-a", "never"), rule("code", "good-a"), rule("chat", "good-b", "prefer")],
    )
    with_rule_three = rule_of(running.gateway.routers[ROUTER].options, 3)
    now = Epoch(running.gateway.database.clock.now() + 1)
    log = RouterLog(FirstDraws(running.gateway.database), ROUTER, 1.0, 100)
    log.read(now)
    told = evaluation(log.evidence(now), Proposal(without=with_rule_three))
    assert told.target.decisions == 60
    assert told.logged_shares["p/good-b"] > 0.9
    assert told.shares["p/good-b"] == pytest.approx(1 / 3, abs=0.2)
    for number, said in (("1", "excludes p/good-a"), ("4", "has 3 rules"), ("0", "has no default"), ("51", "")):
        refused = admin.get(f"/admin/routers/{ROUTER}/evaluation", params={"without_rule": number})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "without_rule"
        assert said in refused.json()["error"]["message"]
    if ledger_url.startswith("sqlite"):  # the analyst's process is the same before either database
        asked = f"/admin/routers/{ROUTER}/evaluation?without_rule=3"
        wait_until(lambda: admin.get(asked).status_code == 200, "the answer is there", 60)
        assert admin.get(asked).json()["shares"]["target"] == pytest.approx(told.shares)


def test_a_wrong_rule_is_named_and_without_rules_a_choice_is_what_it_was(running: Running, admin: httpx.Client) -> None:
    before = ask(running, CODE)[2].choice
    for fields, param, said in (
        ({"rules": [rule("wenn es um Code geht", "good-a")]}, "rules[0].when", "“wenn es um Code geht”"),
        ({"rules": [rule("code", "status-500")]}, "rules[0].use", "has not enabled"),
        ({"rules": [rule("code", "good-a")] * 51}, "rules", "51 rules"),
        ({"rules": [rule("code", f"good-{name}", "never") for name in "abc"]}, "rules", "leave no model"),
    ):
        answer = admin.patch(f"/admin/routers/{ROUTER}", json=fields)
        assert answer.status_code == 400, answer.text
        (problem,) = answer.json()["error"]["problems"]
        assert problem["param"] == param
        assert said in problem["message"]
    assert admin.get(f"/admin/routers/{ROUTER}").json()["settings"]["rules"] == []
    change(running, admin, rules=[rule("code", "good-a")])
    answer = admin.patch(f"/admin/routers/{ROUTER}", json={"enabled_models": ["p/good-b"]})
    (problem,) = answer.json()["error"]["problems"]
    assert problem["param"] == "models"
    assert "p/good-a" in problem["message"]
    change(running, admin, rules=None)
    after = ask(running, CODE)[2].choice
    assert (before.rules, before.unpreferred) == (after.rules, after.unpreferred) == ((), None)
    assert admin.get(f"/admin/routers/{ROUTER}").json()["settings"]["rules"] == []
