"""Objectives: what a perfect answer, a second of waiting and a failure are worth in dollars, and presets of that."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType

from bandit.price import Price
from bandit.types import Objective, Steering

TYPICAL_PROMPT_TOKENS = 1_000
TYPICAL_COMPLETION_TOKENS = 300
SMALLEST_TYPICAL_COST_USD = 0.0001
LARGEST_TYPICAL_COST_USD = 20.0
LARGEST_USD = 10_000.0
"""A larger worth of a perfect answer, a second or a failure is refused: it is most likely a mistake of units."""

PRESETS: Mapping[str, Objective] = MappingProxyType(
    {
        "balanced": Objective(quality_usd=20.0, second_usd=0.2, failure_usd=5.0),
        "cheapest": Objective(quality_usd=4.0, second_usd=0.04, failure_usd=2.0),
        "fastest": Objective(quality_usd=10.0, second_usd=2.0, failure_usd=5.0),
        "best": Objective(quality_usd=200.0, second_usd=0.2, failure_usd=50.0),
    }
)
"""Each preset in units of c̄: the median expected cost of the router's models for a typical request."""


def preset_usd(name: str, prices: Sequence[Price]) -> Objective:
    """A preset in dollars, for models of these prices: c̄ is the median cost of a typical request, in [$0.0001, $20].

    The dollars are kept once the preset is chosen: a model that joins later must not change what an answer is worth.
    Raises ValueError for a name that is no preset.

    >>> preset_usd("cheapest", [Price(1e-6, 2e-6, 1e-6), Price(1e-6, 1e-5, 1e-7)])  # c̄ = $0.0028
    Objective(quality_usd=0.0112, second_usd=0.000112, failure_usd=0.0056)
    """
    preset = PRESETS.get(name)
    if preset is None:
        raise ValueError(f"objective: {name!r} is not a preset; choose one of {', '.join(sorted(PRESETS))}")
    costs = [price.cost_usd(TYPICAL_PROMPT_TOKENS, TYPICAL_COMPLETION_TOKENS) for price in prices]
    unit = min(max(median(costs) if costs else 0.0, SMALLEST_TYPICAL_COST_USD), LARGEST_TYPICAL_COST_USD)
    return Objective(preset.quality_usd * unit, preset.second_usd * unit, preset.failure_usd * unit)


def validate(objective: Objective) -> Objective:
    """The objective itself. Raises ValueError that names a field which is negative, not finite or absurdly large."""
    for name in ("quality_usd", "second_usd", "failure_usd"):
        usd = getattr(objective, name)
        if isinstance(usd, bool) or not isinstance(usd, (int, float)):
            raise ValueError(f"objective.{name}: must be a number of dollars, not {type(usd).__name__}")
        if not math.isfinite(usd) or not 0.0 <= usd <= LARGEST_USD:
            raise ValueError(f"objective.{name}: must be from 0 to {LARGEST_USD:,.0f} dollars, not {usd}")
    return objective


def steer(objective: Objective, steering: Steering) -> Objective:
    """The objective of one request with its instructions' multipliers; that of cost multiplies 1 + λ instead."""
    if steering.quality == steering.second == 1.0:
        return objective
    return Objective(
        objective.quality_usd * steering.quality, objective.second_usd * steering.second, objective.failure_usd
    )
