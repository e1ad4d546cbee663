"""What a model costs by the public price list that ships with genai-prices. No network, no surprises while running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from bandit.price import Price
from gateway.catalog.names import without_path
from gateway.catalog.vendors import vendor_of
from gateway.settings import ProviderSettings

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_MILLION, _THOUSAND = 1e6, 1e3
_DAY = timedelta(days=1)
_RATES = {
    "cache_write_usd": "cache_write_mtok",
    "cache_write_1h_usd": "cache_write_1h_mtok",
    "audio_input_usd": "input_audio_mtok",
    "cached_audio_usd": "cache_audio_read_mtok",
    "image_input_usd": "input_image_mtok",
    "cached_image_usd": "cache_image_read_mtok",
    "audio_output_usd": "output_audio_mtok",
    "image_output_usd": "output_image_mtok",
    "reasoning_usd": "output_reasoning_mtok",
    "citation_usd": "output_citation_mtok",
}
"""Rates of `Price` that may be missing, and their names on the list."""
UNLISTED: Mapping[str, Mapping[str, float]] = {
    "gpt-4o-audio-preview": {"audio_input_usd": 40.0, "audio_output_usd": 80.0},
    "gpt-4o-mini-audio-preview": {"audio_input_usd": 10.0, "audio_output_usd": 20.0},
}
"""Dollars per million tokens on OpenAI's own price page that the list leaves out."""
_SERVED = {"service_tier", "processing", "speed"}
"""What an answer tells of how it was served. Prices that depend on something else are not used."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A model on the price list: what it costs until when, and how many tokens its context holds."""

    price: Price
    until: datetime | None
    context_window: int | None


def look_up(provider: ProviderSettings, name: str, now: datetime) -> Listed | None:
    """The listed price of a provider's model at `now`; None if the list does not know it.

    The provider is found by its own name, else by the host it is reached at.
    """
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.3 s that few commands need

    snapshot, vendor = get_snapshot(), vendor_of(provider)
    list_name = vendor.price_list if vendor else provider.name
    listed = next((each for each in snapshot.providers if each.id == list_name), None)
    if listed is None:
        try:
            listed = snapshot.find_provider(None, None, provider.base_url)
        except LookupError:
            return None
    names = [name, without_path(name)]
    if vendor is not None and vendor.hosts_others:
        names.append(without_path(name).rpartition("/")[2])  # Vertex's google/gemini-…
    for each in names:
        model = listed.find_model(each.lower(), all_providers=snapshot.providers)
        price = None if model is None else listed_price(listed, model, now)
        if model is not None and price is not None:
            return Listed(price, _next_change(model, now), model.context_window)
    return None


def _next_change(model: ModelInfo, now: datetime) -> datetime | None:
    """When the list may next ask another price: a day from which it does, or an hour of each day."""
    prices = model.prices if isinstance(model.prices, list) else []
    constraints = [each.constraint for each in (*prices, *(model.price_variants or ()))]
    changes: list[datetime] = []
    for constraint in constraints:
        if (start := getattr(constraint, "start_date", None)) is not None:
            changes.append(datetime.combine(start, time(), UTC))
        for hour in (getattr(constraint, "start_time", None), getattr(constraint, "end_time", None)):
            if hour is not None:
                today = datetime.combine(now.astimezone(UTC).date(), hour, hour.tzinfo or UTC)
                changes += [today - _DAY, today, today + _DAY]
    return min((change for change in changes if change > now), default=None)


def listed_price(provider: Provider, model: ModelInfo, now: datetime) -> Price | None:
    """A model's price with its steps and service tiers; None if the list has none for plain input and output."""
    base = _price(model.get_prices(now))
    if base is None:
        return None
    unlisted = UNLISTED.get(model.id, {})
    base = base.with_rates({rate: usd / _MILLION for rate, usd in unlisted.items() if getattr(base, rate) is None})
    tiers: dict[str, Price] = {}
    own = any(model is each for each in provider.models)  # another provider's tiers are not sold here
    for variant in (model.price_variants or ()) if own else ():
        (key, tier), *more = variant.when.items()
        price = _price(model.get_prices(now, variant.when)) if key in _SERVED and not more else None
        if price is not None and price != base:
            tiers.setdefault(tier, price)
    return replace(base, tiers=tuple(tiers.items()))


def _price(prices: ModelPrice) -> Price | None:
    steps = {tier.start for value in vars(prices).values() for tier in getattr(value, "tiers", ())}
    base = _at(prices, 0)
    longer = [(tokens, price) for tokens in sorted(steps) if (price := _at(prices, tokens + 1))]
    return base and replace(base, longer=tuple(longer))


def _at(prices: ModelPrice, prompt_tokens: int) -> Price | None:
    """The rates for a prompt of that length; None if the list has none for plain input and output."""

    def rate(key: str, unit: float = _MILLION) -> float | None:
        value = getattr(prices, key)
        for tier in getattr(value, "tiers", ()):
            value = tier.price if prompt_tokens > tier.start else value
        value = getattr(value, "base", value)
        return float(value) / unit if isinstance(value, Decimal | int | float) else None

    input_usd, output_usd, cached_usd = rate("input_mtok"), rate("output_mtok"), rate("cache_read_mtok")
    if input_usd is None or output_usd is None:
        return None
    rates = {name: rate(key) for name, key in _RATES.items()}
    if cached_usd is None:  # what is read from a cache costs what it is
        cached_usd = input_usd
        rates |= {"cached_audio_usd": rates["audio_input_usd"], "cached_image_usd": rates["image_input_usd"]}
    rates |= {
        "web_search_usd": rate("web_searches_kcount", _THOUSAND) or 0.0,
        "request_usd": rate("requests_kcount", _THOUSAND) or 0.0,
    }
    return Price(input_usd, output_usd, cached_usd).with_rates(rates)
