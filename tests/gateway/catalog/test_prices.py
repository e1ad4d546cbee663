"""Prices as the public list has them: genai-prices' own calculation is what ours has to equal."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider
from genai_prices.types import Usage as ListedUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.price import Price, Tokens
from gateway.catalog.declared import USUAL_TIERS, price_of
from gateway.catalog.prices import UNLISTED, listed_price, look_up
from gateway.settings import ModelSettings, ProviderSettings
from tests.support.usages import RECORDED, Recorded

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "cached_audio_tokens": "cache_audio_read_tokens",
    "image_input_tokens": "input_image_tokens",
    "cached_image_tokens": "cache_image_read_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "image_output_tokens": "output_image_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "citation_tokens": "output_citation_tokens",
    "web_searches": "web_searches",
}
TIERS: Mapping[str | None, Mapping[str, str] | None] = {
    "batch": {"processing": "batch"},
    "fast": {"speed": "fast"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
TOKENS = st.integers(0, 400_000)


def usage_of(tokens: Tokens) -> ListedUsage:
    return ListedUsage(**{theirs: getattr(tokens, ours) for ours, theirs in NAMES.items()})


def models_with_a_price() -> Iterator[tuple[Provider, ModelInfo]]:
    for provider in get_snapshot().providers:
        for model in provider.models:
            prices = model.get_prices(NOW)
            if prices.input_mtok is not None and prices.output_mtok is not None and model.id not in UNLISTED:
                yield provider, model


MODELS = list(models_with_a_price())


@st.composite
def calls(draw: st.DrawFn) -> Tokens:
    fresh, read, heard, seen, minutes, hour, audio, images = (draw(TOKENS) for _ in range(8))
    text, spoken, drawn, reasoning, cited = (draw(st.integers(0, 9_999)) for _ in range(5))
    return Tokens(
        prompt_tokens=fresh + read + heard + seen + minutes + hour + audio + images,
        completion_tokens=text + spoken + drawn + reasoning + cited,
        cached_tokens=read + heard + seen,
        cache_write_tokens=minutes + hour,
        cache_write_1h_tokens=hour,
        audio_input_tokens=heard + audio,
        cached_audio_tokens=heard,
        image_input_tokens=seen + images,
        cached_image_tokens=seen,
        audio_output_tokens=spoken,
        image_output_tokens=drawn,
        reasoning_tokens=reasoning,
        citation_tokens=cited,
        web_searches=draw(st.integers(0, 9)),
    )


@settings(max_examples=15)
@given(calls())
def test_every_model_of_the_list_costs_what_the_list_itself_computes(tokens: Tokens) -> None:
    for provider, model in MODELS:
        listed = listed_price(provider, model, NOW)
        assert listed is not None
        for tier, context in ((None, None), *TIERS.items()):
            if context is not None and not any(each.when == context for each in model.price_variants or ()):
                continue
            told = model.calc_price(
                usage_of(tokens), provider, genai_request_timestamp=NOW, price_context=context
            ).total_price
            ours = listed.bill_usd(tokens, tier)
            assert ours == pytest.approx(float(told), rel=1e-9, abs=1e-15), (provider.id, model.id, tier)


@pytest.mark.parametrize(
    "row",
    [row for row in RECORDED if row.provider and row.tokens and row.usd is None],
    ids=lambda row: row.id,
)
def test_a_recorded_usage_costs_what_the_list_computes(row: Recorded) -> None:
    usage = row.read()
    assert usage is not None
    assert usage.tokens is not None
    assert row.provider is not None
    listed = look_up(ProviderSettings(row.provider, "openai", "https://llm.example/v1"), row.model, NOW)
    assert listed is not None, "the list does not know the model"
    told = calc_price(
        usage_of(usage.tokens),
        row.model,
        provider_id=row.provider,
        genai_request_timestamp=NOW,
        price_context=TIERS.get(usage.tier),
    ).total_price
    assert listed.price.bill_usd(usage.tokens, usage.tier) == pytest.approx(float(told), rel=1e-9)


@pytest.mark.parametrize("row", [row for row in RECORDED if row.price and row.tokens], ids=lambda row: row.id)
def test_a_recorded_usage_costs_what_its_declared_price_says(row: Recorded) -> None:
    usage = row.read()
    assert usage is not None
    assert usage.tokens is not None
    rates = {name.removesuffix("_per_million"): usd for name, usd in (row.price or {}).items()}
    price = price_of(ModelSettings("a/b", "a", "b", rates=rates), None, USUAL_TIERS)
    assert price is not None
    assert usage.factor * price.bill_usd(usage.tokens, usage.tier) == pytest.approx(row.usd)


@pytest.mark.parametrize("row", [row for row in RECORDED if row.model in UNLISTED], ids=lambda row: row.id)
def test_audio_costs_what_its_provider_asks_where_the_list_leaves_it_out(row: Recorded) -> None:
    usage = row.read()
    assert usage is not None
    assert usage.tokens is not None
    listed = look_up(ProviderSettings("openai", "openai", "https://llm.example/v1"), row.model, NOW)
    assert listed is not None
    assert listed.price.bill_usd(usage.tokens) == pytest.approx(row.usd)


def test_a_long_prompt_costs_more_from_its_first_token_on() -> None:
    price = Price(1.0, 2.0, 0.1, longer=((10, Price(3.0, 4.0, 0.3)), (20, Price(5.0, 6.0, 0.5))))
    assert price.cost_usd(10, 1) == 12.0
    assert price.cost_usd(11, 1) == 37.0
    assert price.cost_usd(21, 1, cached_tokens=20) == 5.0 + 10.0 + 6.0
    assert price.scaled(0.5).cost_usd(11, 1) == 18.5


def declared(**rates: float) -> ModelSettings:
    return ModelSettings("a/b", "a", "b", rates=rates)


LISTED = Price(
    1e-6,
    4e-6,
    1e-7,
    cache_write_usd=1.25e-6,
    longer=((200_000, Price(2e-6, 8e-6, 2e-7, cache_write_usd=2.5e-6)),),
    tiers=(("flex", Price(5e-7, 2e-6, 5e-8)),),
)


def test_ones_own_price_has_no_discount_and_no_step_of_the_list() -> None:
    assert price_of(declared(input_usd=3.0, output_usd=6.0), LISTED, {}) == Price(3e-6, 6e-6, 3e-6)
    assert price_of(declared(output_usd=6.0), LISTED, {}) == Price(1e-6, 6e-6, 1e-7)
    assert price_of(declared(input_usd=3.0), LISTED, {}) == Price(3e-6, 4e-6, 3e-6)


def test_a_declared_rate_beside_listed_ones_holds_for_long_prompts_too() -> None:
    price = price_of(declared(cache_write_usd=9.0), LISTED, USUAL_TIERS)
    assert price is not None
    written = Tokens(prompt_tokens=10, completion_tokens=0, cache_write_tokens=10)
    assert price.bill_usd(written) == pytest.approx(9e-5)
    assert price.at(300_000).cache_write_usd == pytest.approx(9e-6)
    assert dict(price.tiers) == dict(LISTED.tiers)


def test_long_prompts_and_service_tiers_can_be_declared() -> None:
    model = ModelSettings(
        "a/b",
        "a",
        "b",
        rates={"input_usd": 1.0, "output_usd": 2.0},
        long_prompts={1_000: {"input_usd": 2.0}},
        service_tiers={"flex": 0.25},
    )
    price = price_of(model, None, USUAL_TIERS)
    assert price is not None
    assert price.cost_usd(1_001, 0) == pytest.approx(2_002e-6)
    assert price.bill_usd(Tokens(1_001, 0), "flex") == pytest.approx(500.5e-6)
    assert price.bill_usd(Tokens(100, 0), "batch") == pytest.approx(50e-6)


def test_half_a_price_is_none() -> None:
    assert price_of(declared(output_usd=6.0), None, {}) is None
    assert price_of(declared(cache_write_usd=6.0), None, {}) is None
