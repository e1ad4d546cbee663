"""The variants of a router's models: which arms an entry comes to, and what is refused."""

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.settings.router_options import read_models
from gateway.settings.table_reader import Fields, Problem
from storage.records import RouterModel, Variant


def read(*entries: Any, known: Iterable[RouterModel] = ()) -> list[RouterModel]:
    problems: list[Problem] = []
    models = read_models(Fields({"models": list(entries)}, problems), known)
    assert not problems, problems
    return [placed.model for placed in models]


def refused(*entries: Any) -> str:
    problems: list[Problem] = []
    read_models(Fields({"models": list(entries)}, problems))
    return "\n".join(f"{problem.dotted()} {problem.message}" for problem in problems)


def test_an_entry_without_settings_is_the_model_itself() -> None:
    plain = [RouterModel("p/a"), RouterModel("p/b", max_share=0.5)]
    assert read("p/a", {"id": "p/b", "max_share": 0.5}) == plain
    assert [model.arm_id for model in plain] == ["p/a", "p/b"]


def test_each_combination_is_an_arm_that_is_named_by_what_it_says() -> None:
    arms = read({"id": "p/a", "thinking": ["default", "low"], "tiers": ["default", "priority"], "min_share": 0.1})
    assert [arm.arm_id for arm in arms] == ["p/a", "p/a@priority", "p/a@low", "p/a@low+priority"]
    assert arms[0].variant is None
    assert arms[3].variant == Variant("low+priority", "low", "priority")
    assert {arm.model_id for arm in arms} == {"p/a"}
    assert {arm.min_share for arm in arms} == {0.1}


def test_a_name_stands_for_the_settings_and_is_followed_by_what_differs() -> None:
    params = {"temperature": 0.2, "top_k": 5}
    kept = (("temperature", "0.2"), ("top_k", "5"))
    assert read({"id": "p/a", "params": params, "as": "careful"}) == [
        RouterModel("p/a", variant=Variant("careful", params=kept))
    ]
    named = read({"id": "p/a", "thinking": ["low", "high"], "params": params, "as": "careful"})
    assert [arm.arm_id for arm in named] == ["p/a@careful+low", "p/a@careful+high"]
    assert [arm.arm_id for arm in read({"id": "p/a", "params": params})] == ["p/a@temperature=0.2+top_k=5"]


def test_an_arm_that_is_known_is_named_by_its_id_alone() -> None:
    arms = read({"id": "p/a", "thinking": ["low"], "params": {"top_p": 0.5}, "as": "x"})
    assert read("p/a@x", known=arms) == arms
    off = read({"id": "p/a@x", "enabled": False}, "p/b", known=arms)
    assert off[0] == RouterModel("p/a", enabled=False, variant=arms[0].variant)


def test_an_arm_is_read_as_the_management_api_shows_it() -> None:
    shown = {"id": "p/a@x", "model": "p/a", "thinking": "low", "tier": None, "params": {"top_p": 0.5}}
    assert read(shown) == read({"id": "p/a", "thinking": "low", "params": {"top_p": 0.5}, "as": "x"})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"id": "p/a", "thinking": ["hgih"]}], '"hgih" is no level; there are off, on, minimal, low'),
        ([{"id": "p/a", "thinking": []}], "models[0].thinking must name at least one level"),
        ([{"id": "p/a", "thinking": ["low", "low"]}], 'names "low" twice'),
        ([{"id": "p/a", "tiers": ["Fast lane"]}], 'names "Fast lane", which is no tier such as "priority"'),
        ([{"id": "p/a", "tier": "flex", "tiers": ["flex"]}], "say the same: give one of them"),
        (["p/a", {"id": "p/a", "thinking": ["default"]}], 'models[1] names "p/a" a second time'),
        ([{"id": "p/a", "thinking": "low"}] * 2, 'models[1] names "p/a@low" a second time'),
        (
            [{"id": "p/a", "thinking": "low"}, {"id": "p/a", "thinking": "low", "as": "x"}],
            'names "p/a@x", which has the same settings as "p/a@low"',
        ),
        (["p/a", {"id": "p/a", "as": "x"}], 'names "p/a@x", which has the same settings as "p/a"'),
        ([{"id": "p/a", "params": {"model": "b"}}], "params.model can't be set for a variant: the gateway sets it"),
        ([{"id": "p/a", "params": {"messages": []}}], "params.messages can't be set"),
        ([{"id": "p/a", "params": {"stream": True}}], "params.stream can't be set"),
        ([{"id": "p/a", "params": {"routing.instructions": "x"}}], "it is for the gateway"),
        ([{"id": "p/a", "params": {"service_tier": "flex"}}], "that is what `tiers` are for"),
        (
            [{"id": "p/a", "thinking": "low", "params": {"reasoning_effort": "high"}, "as": "x"}],
            "params.reasoning_effort can't be set for a variant: `thinking` says how much to think",
        ),
        ([{"id": "p/a", "params": {"stop_words": ["a b"]}}], "needs `as`, a name for the variant"),
        ([{"id": "p/a", "params": {f"x{n}": n for n in range(17)}, "as": "x"}], "params are more than 16"),
        ([{"id": "p/a", "params": {"x": "y" * 4_001}, "as": "x"}], "longer than 4,000 bytes"),
        ([{"id": "p/a", "params": {"x": float("nan")}, "as": "x"}], "must be a value that JSON has"),
        ([{"id": "p/a", "as": "a b", "thinking": "low"}], "models[0].as must be a name of up to 64 letters"),
        ([{"id": "p/a@x", "model": "p/b"}], 'id must be "p/b@NAME"'),
        ([{"id": "p/a@x", "model": "p/a", "thinking": ["low", "high"]}], "must be one level for one arm"),
        ([{"id": "p/a", "thinkng": "low"}], 'did you mean "thinking"?'),
        (
            [{"id": f"p/{n}", "thinking": ["low", "medium", "high"]} for n in range(30)],
            "name 90 models and variants; a router takes at most 64",
        ),
    ],
)
def test_what_is_wrong_with_a_variant_is_said_at_its_place(entries: list[Any], message: str) -> None:
    assert message in refused(*entries)
