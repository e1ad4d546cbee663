"""Variants of models: what they send, whom they agree with, and that a model as it is stays as it was."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bandit.types import ArmPrior
from gateway.catalog.catalog import Catalog, UnknownModel
from gateway.routing.definitions import define
from gateway.routing.evidence import EvaluatedModels
from gateway.routing.variants import ArmVariant, unusable, unusable_declared, variant_of
from gateway.settings import ModelSettings, ProviderSettings, RouterDeclaration, Settings
from storage.records import RouterModel, RouterRecord, Variant

RATES = {"input_usd": 1.0, "output_usd": 2.0}
SETTINGS = Settings(
    providers={
        "p": ProviderSettings("p", "openai", "http://127.0.0.1:1/v1", drop=frozenset({"seed"})),
        "a": ProviderSettings("a", "anthropic", "http://127.0.0.1:2/v1"),
    },
    models={
        "p/m": ModelSettings("p/m", "p", "m", rates=RATES, thinking=("off", "low"), service_tiers={"priority": 3.0}),
        "p/n": ModelSettings("p/n", "p", "n", rates=RATES),
        "a/claude-opus-5-5": ModelSettings("a/claude-opus-5-5", "a", "claude-opus-5-5", rates=RATES),
    },
)
CATALOG = Catalog(SETTINGS, datetime(2026, 11, 1, tzinfo=UTC))


def entry(model_id: str = "p/m", name: str = "x", **settings: Any) -> RouterModel:
    params = tuple((key, msgspec.json.encode(value).decode()) for key, value in settings.pop("params", {}).items())
    return RouterModel(model_id, variant=Variant(name, **settings, params=params))


def variant(**settings: Any) -> ArmVariant:
    found = variant_of(entry(**settings), CATALOG.resolve("p/m"))
    assert found is not None
    return found


def fields(**values: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}


def plainly(sent: Any) -> dict[str, Any]:
    return {name: msgspec.json.decode(raw) for name, raw in sent.items()}


def record(*models: RouterModel) -> RouterRecord:
    return RouterRecord("rtr_a", "A", b"s" * 32, {}, models, 0.0, 0.0)


def test_a_router_of_models_as_they_are_is_defined_as_without_variants() -> None:
    priors = {("rtr_a", model_id): ArmPrior() for model_id in ("p/m", "p/n")}
    defined = define(record(RouterModel("p/n"), RouterModel("p/m")), CATALOG, priors, EvaluatedModels())
    assert not defined.variants
    assert {arm_id: model.id for arm_id, model in defined.models.items()} == {"p/m": "p/m", "p/n": "p/n"}
    assert [(arm.model_id, arm.price) for arm in defined.arms] == [
        (model_id, CATALOG.resolve(model_id).price) for model_id in ("p/m", "p/n")
    ]


def test_an_arm_of_a_tier_has_its_price_and_another_level_that_of_the_model() -> None:
    entries = (entry(name="low", thinking="low"), entry(name="priority", tier="priority"))
    priors = {("rtr_a", each.arm_id): ArmPrior() for each in entries}
    defined = define(record(*entries), CATALOG, priors, EvaluatedModels())
    prices = {arm.model_id: arm.price for arm in defined.arms}
    price = CATALOG.resolve("p/m").price
    assert prices["p/m@low"] == price
    dear = prices["p/m@priority"]
    assert dear is not None
    assert (dear.input_usd, dear.output_usd) == pytest.approx((3 * price.input_usd, 3 * price.output_usd))


def test_its_fields_are_sent_in_place_of_the_callers_words_for_the_same() -> None:
    arm = variant(thinking="low", tier="priority", params={"temperature": 0.2, "max_tokens": 50})
    sent = plainly(arm.fields(fields(messages=[], reasoning={"effort": "low"}, service_tier="priority", top_p=0.5)))
    assert sent == {
        "messages": [],
        "top_p": 0.5,
        "temperature": 0.2,
        "max_tokens": 50,
        "reasoning_effort": "low",
        "service_tier": "priority",
    }
    kept = plainly(arm.fields(fields(messages=[], temperature=0.9, max_completion_tokens=7)))
    assert (kept["temperature"], kept["max_completion_tokens"]) == (0.9, 7)
    assert "max_tokens" not in kept
    assert plainly(arm.fields(fields(messages=[], temperature=None)))["temperature"] == 0.2


@pytest.mark.parametrize(
    ("said", "agrees"),
    [
        ({}, True),
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": None}, True),
        ({"reasoning": {"effort": "low"}}, True),
        ({"reasoning": {}}, True),
        ({"reasoning_effort": "high"}, False),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": 3}, False),
        ({"reasoning": {"max_tokens": 100}}, False),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "low"}, False),
        ({"thinking": {"type": "disabled"}}, False),
        ({"service_tier": "priority"}, True),
        ({"service_tier": "auto"}, False),
        ({"service_tier": "flex"}, False),
        ({"speed": "fast"}, False),
    ],
)
def test_it_agrees_with_callers_who_say_the_same_or_nothing(said: dict[str, Any], agrees: bool) -> None:
    arm = variant(thinking="low", tier="priority")
    assert (arm.contradicted(fields(**said)) is None) is agrees


@pytest.mark.parametrize("huge", [b"1e999", b"9" * 5_000, b'{"effort":-1e999}'])
def test_a_number_too_large_to_read_is_no_level_and_no_tier(huge: bytes) -> None:
    arm, raw = variant(thinking="low", tier="priority"), msgspec.Raw(huge)
    assert "how much by" in (arm.contradicted({"reasoning_effort": raw}) or "")
    assert "how much by" in (arm.contradicted({"reasoning": raw}) or "")
    assert arm.contradicted({"service_tier": raw}) is None


@pytest.mark.parametrize("name", ["reasoning_effort", "service_tier"])
@pytest.mark.parametrize("said", ["x" * 100_000, "<b>\n\x1b[31m"])
def test_long_or_hostile_words_of_callers_are_not_repeated_for_every_arm(name: str, said: str) -> None:
    why = variant(thinking="low", tier="priority").contradicted(fields(**{name: said}))
    assert why is not None
    assert len(why) < 200
    assert "\n" not in why


def test_what_a_variant_leaves_open_is_for_the_caller_to_say() -> None:
    said = fields(service_tier="flex", reasoning_effort="high")
    assert variant(thinking=None, tier=None, params={"top_k": 1}).contradicted(said) is None
    assert variant(thinking="off").contradicted(fields(service_tier="flex", reasoning_effort="none")) is None


def test_a_parameter_is_overruled_by_another_value_alone() -> None:
    arm = variant(params={"temperature": 0.2, "max_tokens": 50})
    assert arm.overruled(fields(temperature=0.2)) is None
    assert arm.overruled({"temperature": msgspec.Raw(b"0.20")}) is None
    assert arm.overruled(fields(temperature=None)) is None
    assert arm.overruled(fields(temperature=0.3)) == "temperature"
    assert arm.overruled(fields(max_completion_tokens=60)) == "max_tokens"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (entry(thinking="max"), 'p/m has no thinking "max"; it has "off" or "low"'),
        (entry("p/n", thinking="low"), 'no levels of it are known; [models."p/n"] thinking names those'),
        (entry(tier="flexible"), 'p/m has no tier "flexible"; it has "priority"'),
        (entry(params={"seed": 1}), "p/m@x sends `seed`, which providers.p drops"),
        (entry("a/claude-opus-5-5", params={"seed": 1}), "sends `seed`, which providers of the kind anthropic"),
        (entry("a/claude-opus-5-5", thinking="off"), 'it has "low", "medium", "high", "xhigh" or "max"'),
        (entry("q/x", thinking="low"), "there is no provider"),
    ],
)
def test_what_can_not_be_used_is_told_with_what_is_there(wanted: RouterModel, why: str) -> None:
    assert why in (unusable(wanted, CATALOG) or "")


def test_the_file_is_told_where_it_names_what_is_not_there() -> None:
    models = (entry(name="low", thinking="low"), entry(name="max", thinking="max"), RouterModel("p/n"))
    declared = RouterDeclaration("rtr_a", None, models, {}, {"models": 7})
    problems = unusable_declared(Settings(routers={"rtr_a": declared}, config_path="g.toml"), CATALOG)
    assert problems == ['g.toml, line 7: routers.rtr_a.models: p/m has no thinking "max"; it has "off" or "low"']


def test_a_stored_variant_that_its_model_has_no_more_is_left_out() -> None:
    with pytest.raises(UnknownModel):
        variant_of(entry(thinking="max"), CATALOG.resolve("p/m"))
    entries = (entry(name="low", thinking="low"), entry(name="max", thinking="max"))
    priors = {("rtr_a", "p/m@low"): ArmPrior()}
    defined = define(record(*entries), CATALOG, priors, EvaluatedModels())
    assert list(defined.models) == ["p/m@low"]
    assert defined.left_out.keys() == {"p/m@max"}
