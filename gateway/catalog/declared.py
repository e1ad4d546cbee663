"""The price that a configuration declares, set above the listed one."""

from collections.abc import Mapping
from dataclasses import replace

from bandit.price import Price
from gateway.settings import ModelSettings

MILLION = 1e6
USUAL_TIERS = {"flex": 0.5, "batch": 0.5, "priority": 2.0}
"""What service tiers cost of the full price at most providers that have them."""


def price_of(declared: ModelSettings, listed: Price | None, usual_tiers: Mapping[str, float]) -> Price | None:
    """The declared rates, and the listed ones where none is declared; None if a part is in neither.

    Whoever declares a price for input or output has terms of their own: no discount and no step of the list applies,
    and `usual_tiers` are what service tiers cost of it.
    """
    rates = _per_token(declared.rates)
    if {"input_usd", "output_usd"} & rates.keys():
        price = _own_terms(rates, listed)
        factors = {**usual_tiers, **declared.service_tiers}
    else:
        price = listed and _overridden(listed, rates)
        factors = dict(declared.service_tiers)
    if price is None:
        return None
    if declared.long_prompts:
        base = replace(price, longer=(), tiers=())
        steps = [(tokens, base.with_rates(_per_token(each))) for tokens, each in declared.long_prompts.items()]
        price = replace(price, longer=tuple(steps))
    tiers = dict(price.tiers) | {name: price.scaled(factor) for name, factor in factors.items()}
    return replace(price, tiers=tuple(tiers.items()))


def _own_terms(rates: dict[str, float], listed: Price | None) -> Price | None:
    if "input_usd" not in rates and listed is not None:
        rates = {"input_usd": listed.input_usd, "cached_input_usd": listed.cached_input_usd} | rates
    if "output_usd" not in rates and listed is not None:
        rates = {"output_usd": listed.output_usd} | rates
    if not {"input_usd", "output_usd"} <= rates.keys():
        return None
    return Price(rates["input_usd"], rates["output_usd"], rates["input_usd"]).with_rates(rates)


def _overridden(listed: Price, rates: dict[str, float]) -> Price:
    longer = tuple((tokens, price.with_rates(rates)) for tokens, price in listed.longer)
    return replace(listed.with_rates(rates), longer=longer)


def _per_token(per_million: Mapping[str, float]) -> dict[str, float]:
    return {name: usd / MILLION for name, usd in per_million.items()}
