"""Priors of a model that a router has not tried, from the statistics of other routers."""

import math
from collections.abc import Iterable, Mapping

from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import ArmPrior, LogNormalPrior

DEFAULT_QUALITY = 0.6
DEFAULT_QUALITY_WEIGHT = 4.0
"""Prior mean of the arm effect, and how many scores it is worth."""

DEFAULT_COMPLETION_TOKENS = 300.0
COMPLETION_TOKENS_WEIGHT = 2.0
CAP_FACTOR = 4.0
"""An observation of completion tokens counts at most this many times the prior mean."""
UNKNOWN_CAP_TOKENS = 4_096.0
"""The cap if nothing is known of the length of the model's answers."""

FIRST_TOKEN_PRIOR = LogNormalPrior(mean=math.log(0.8), spread=1.5, weight=1.0)
PER_TOKEN_PRIOR = LogNormalPrior(mean=math.log(0.016), spread=1.5, weight=1.0)
TOTAL_PRIOR = LogNormalPrior(mean=math.log(0.016), spread=1.5, weight=1.0)
DEFAULT_OFFSET_TOKENS = 50.0
"""Tokens that a typical model could have written in the time to its first one."""

LARGEST_BORROWED_WEIGHT = 10.0
"""Statistics of other routers are worth up to this many observations."""
SMALLEST_SPREAD = 0.5

SIMILAR_PRICE = 2.0
"""Models are of one price class if their output prices are at most this factor apart."""
LARGEST_CLASS_WEIGHT = 4.0
SMALLEST_CLASS_SPREAD = 1.0
"""Models of one price class say less of a model than itself, and it may be far from them."""


def unit_score(score: float, smallest: float, largest: float) -> float:
    """A score in its unit, mapped to [0, 1].

    Raises ValueError if the score is not a number in the range, or the range is empty.
    """
    if not (math.isfinite(smallest) and math.isfinite(largest)) or smallest >= largest:
        raise ValueError(f"range: the minimum must be less than the maximum, not {smallest} to {largest}")
    if not smallest <= score <= largest:
        raise ValueError(f"score: must be from {smallest:g} to {largest:g}, not {score}")
    return (score - smallest) / (largest - smallest)


def offset_tokens(prior: ArmPrior) -> float:
    """The constant a of ln(seconds / (a + tokens)) for plain answers: the time to the first token, in tokens."""
    if prior.first_token is None or prior.per_token is None:
        return DEFAULT_OFFSET_TOKENS
    return min(max(math.exp(prior.first_token.mean - prior.per_token.mean), 1.0), 1_000.0)


def completion_tokens_cap(prior: ArmPrior) -> float:
    """The largest number of completion tokens that one answer may count for: a frozen constant of the arm."""
    if prior.completion_tokens is None:
        return UNKNOWN_CAP_TOKENS
    return CAP_FACTOR * prior.completion_tokens


def model_prior(sums_of_model_elsewhere: Mapping[StatisticKey, Sums]) -> ArmPrior:
    """The prior of a model in a new router, from the sums of the same model in other routers.

    Latency and tokens belong to the model more than to the router; quality is not borrowed. The prior is kept with the
    arm and frozen: observations are capped and clipped by it, and sums with other caps could not be added.
    """
    merged: dict[Signal, Sums] = {}
    for key, sums in sums_of_model_elsewhere.items():
        if _is_sound(sums):
            merged[key.signal] = merged[key.signal] + sums if key.signal in merged else sums
    tokens = merged.get(Signal.COMPLETION_TOKENS)
    return ArmPrior(
        first_token=_log_normal(merged.get(Signal.FIRST_TOKEN)),
        per_token=_log_normal(merged.get(Signal.PER_TOKEN)),
        total=_log_normal(merged.get(Signal.TOTAL)),
        completion_tokens=max(tokens.total / tokens.weight, 1.0) if tokens else None,
    )


def are_of_one_class(price: Price, other: Price) -> bool:
    """Whether two models are of one price class; free ones are of none.

    >>> are_of_one_class(Price(1e-6, 8e-6, 1e-6), Price(4e-6, 15e-6, 1e-6))
    True
    """
    lower, higher = sorted((price.output_usd, other.output_usd))
    return 0.0 < higher <= SIMILAR_PRICE * lower


def price_class_prior(priors: Iterable[ArmPrior]) -> ArmPrior:
    """The prior of a model that was never seen, from those that models of its price class would have.

    Latency alone: how long answers are is a matter of the model and the task. Less weight and a wider spread than a
    prior of the model's own, which also leaves the clipping of its observations wide.
    """
    known = list(priors)
    return ArmPrior(
        first_token=_log_normal_of_class([prior.first_token for prior in known]),
        per_token=_log_normal_of_class([prior.per_token for prior in known]),
        total=_log_normal_of_class([prior.total for prior in known]),
        of_price_class=True,
    )


def _log_normal_of_class(members: Iterable[LogNormalPrior | None]) -> LogNormalPrior | None:
    known = [member for member in members if member is not None]
    weight = sum(member.weight for member in known)
    if not known:
        return None
    mean = sum(member.weight * member.mean for member in known) / weight
    second = sum(member.weight * (member.spread**2 + member.mean**2) for member in known) / weight
    spread = math.sqrt(max(second - mean * mean, SMALLEST_CLASS_SPREAD**2))
    return LogNormalPrior(mean, spread, min(weight, LARGEST_CLASS_WEIGHT))


def _is_sound(sums: Sums) -> bool:
    values = (sums.weight, sums.total, sums.squares, sums.at)
    return all(math.isfinite(value) for value in values) and sums.weight > 0.0 and sums.half_life > 0.0


def _log_normal(sums: Sums | None) -> LogNormalPrior | None:
    if sums is None or sums.weight < 1.0:
        return None
    mean = sums.total / sums.weight
    spread = math.sqrt(max(sums.squares / sums.weight - mean * mean, SMALLEST_SPREAD**2))
    return LogNormalPrior(mean, spread, min(sums.weight, LARGEST_BORROWED_WEIGHT))
