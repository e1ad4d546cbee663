"""Compares the parts of an experiment by what happened: means, differences, and whether enough is known.

What was assigned (a user, a key, a request) is what varies independently: a mean per request is a ratio of sums over
units, and its variance follows from the units' influences on it (Cochran 1977, section 6; the delta method). Intervals
are Student's; that of a rate of success is Wilson's (1927), of two rates Newcombe's (1998), as of so many requests as
have the same variance.

Whoever looks at a running experiment again and again will once see a 95% interval that leaves the truth out. So whether
enough is known follows from wider bounds that hold at all looks together: an asymptotic confidence sequence
(Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, theorem 2.2).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CONFIDENCE, Estimate, Figure, wilson
from bandit.ope.student import student_quantile
from bandit.types import Objective
from bandit.utility import utility_usd

Floats = NDArray[np.float64]

TERMS = ("requests", "cost_usd", "seconds", "failed", "scored", "quality")
"""What is summed up of each unit; `quality` is the sum of scores times what they weigh."""
FEWEST = 30
"""Units, and scores for what depends on them, without which a part has no interval."""
LEVEL_SHARE = 0.05
"""Parts are level if their means differ by less than this share of the first one's, or by `LEVEL_SUCCESS`."""
LEVEL_SUCCESS = 0.01
BEST_LOOK = 300.0
"""The bounds for all looks are narrowest, compared with those for one, at about so many units."""


class Verdict(StrEnum):
    """What is known of a part beside the first one."""

    HIGHER = "higher"
    LOWER = "lower"
    LEVEL = "level"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class PartSums:
    """One part: `totals` of the terms over its units, and `products`, the sums of their products by pair."""

    policy: str
    units: int
    totals: Floats  # (terms,)
    products: Floats  # (terms, terms)


@dataclass(frozen=True, slots=True)
class Told:
    """A figure of one part: its mean, None without a request or score, and the interval, None if units are too few."""

    mean: float | None
    interval: Estimate | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A part's mean less the first one's. `more_requests`: about so many of the router until enough is known."""

    estimate: Estimate | None
    verdict: Verdict
    more_requests: int | None


@dataclass(frozen=True, slots=True)
class _Mean:
    mean: float
    variance: float
    units: float


def figures_of(part: PartSums, objective: Objective) -> dict[Figure, Told]:
    """The figures of one part."""
    means = _means(part, objective)
    return {
        figure: Told(None if mean is None else mean.mean, _interval(figure, mean) if _is_enough(part, figure) else None)
        for figure, mean in means.items()
    }


def differences_of(part: PartSums, first: PartSums, objective: Objective, requests: float) -> dict[Figure, Difference]:
    """The differences of a part to the first one; `requests` are those of all parts together."""
    mine, its = _means(part, objective), _means(first, objective)
    return {
        figure: _difference(figure, mine[figure], its[figure], requests)
        if _is_enough(part, figure) and _is_enough(first, figure)
        else Difference(None, Verdict.UNKNOWN, _until_told(part, first, figure, requests))
        for figure in Figure
    }


def _means(part: PartSums, objective: Objective) -> Mapping[Figure, _Mean | None]:
    """Each figure's mean and variance; None if nothing is known of it."""
    n, scored = float(part.totals[0]), float(part.totals[4])
    if n <= 0.0:
        return dict.fromkeys(Figure)
    cost, seconds, failed = (_ratio(part.totals, place, 0) for place in (1, 2, 3))
    products = part.products.copy()
    found: dict[Figure, _Mean | None] = {
        Figure.COST: _of(part, *cost, products),
        Figure.SECONDS: _of(part, *seconds, products),
        Figure.SUCCESS: _of(part, 1.0 - failed[0], -failed[1], products),
    }
    if scored <= 0.0 and objective.quality_usd > 0.0:
        return {**found, Figure.QUALITY: None, Figure.UTILITY: None}
    quality = _ratio(part.totals, 5, 4) if scored > 0.0 else (0.0, np.zeros(len(TERMS)))
    # A score of 0 and one of 1 more, for the variance alone: a few scores that are all alike don't make it 0.
    products[4:, 4:] += np.array([[2.0, 1.0], [1.0, 1.0]])
    answered = (1.0 - failed[0]) * quality[0]
    slope = (1.0 - failed[0]) * quality[1] - quality[0] * failed[1]
    worth = utility_usd(objective, quality=answered, failed=failed[0], cost_usd=cost[0], seconds=seconds[0])
    worth_slope = utility_usd(objective, quality=slope, failed=failed[1], cost_usd=cost[1], seconds=seconds[1])
    found[Figure.QUALITY] = _of(part, *quality, products) if scored > 0.0 else None
    found[Figure.UTILITY] = _of(part, worth, worth_slope, products)
    return found


def _ratio(totals: Floats, above: int, below: int) -> tuple[float, Floats]:
    """A ratio of two totals, and its slope by each total."""
    ratio, slope = float(totals[above] / totals[below]), np.zeros(len(TERMS))
    slope[above], slope[below] = 1.0 / totals[below], -ratio / totals[below]
    return ratio, slope


def _of(part: PartSums, mean: float, slope: Floats, products: Floats) -> _Mean:
    # Influences add up to 0: ratios don't change if all totals are multiplied. So their squares are not centred.
    # Of units with unlike numbers of requests fewer say as much (Kish 1965).
    units = float(part.totals[0]) ** 2 / float(part.products[0, 0])
    variance = float(slope @ products @ slope) * units / max(units - 1.0, 1.0)
    return _Mean(mean, max(variance, 0.0), units)


def _is_enough(part: PartSums, figure: Figure) -> bool:
    of_scores = figure in {Figure.QUALITY, Figure.UTILITY} and part.totals[4] < FEWEST
    return part.units >= FEWEST and not of_scores


def _until_told(part: PartSums, first: PartSums, figure: Figure, requests: float) -> int | None:
    """About how many more requests bring both parts to the fewest units and scores; None if that can't be told."""
    known = [min(float(each.units), float(each.totals[0])) for each in (part, first)]
    if figure in {Figure.QUALITY, Figure.UTILITY}:
        known += [float(each.totals[4]) for each in (part, first)]
    least = min(known)
    return math.ceil(requests * (FEWEST / least - 1.0)) if least > 0.0 else None


def _quantile(freedom: float) -> float:
    return student_quantile(max(freedom, 1.0), 0.5 + CONFIDENCE / 2.0)


def _interval(figure: Figure, mean: _Mean | None) -> Estimate | None:
    if mean is None:
        return None
    t = _quantile(mean.units - 1.0)
    if figure is Figure.SUCCESS:
        return _wilson(mean, t)
    half = t * mean.variance**0.5
    return Estimate(mean.mean, mean.mean - half, mean.mean + half)


def _wilson(mean: _Mean, z: float) -> Estimate:
    """Wilson's interval of a rate, as of so many independent requests as have its variance."""
    rate = min(max(mean.mean, 0.0), 1.0)
    spread = rate * (1.0 - rate)
    size = spread / mean.variance if mean.variance > 0.0 and spread > 0.0 else mean.units
    bounds = wilson(rate, z * z / size)
    return Estimate(rate, min(bounds.low, rate), max(bounds.high, rate))


def _difference(figure: Figure, mine: _Mean | None, its: _Mean | None, requests: float) -> Difference:
    if mine is None or its is None:
        return Difference(None, Verdict.UNKNOWN, None)
    mean, units = mine.mean - its.mean, min(mine.units, its.units)
    z = _quantile(_freedom(mine, its))
    sequence = _all_looks(units)
    if figure is Figure.SUCCESS:
        estimate, bounds = _newcombe(mine, its, z), _newcombe(mine, its, sequence)
    else:
        deviation = (mine.variance + its.variance) ** 0.5
        estimate = Estimate(mean, mean - z * deviation, mean + z * deviation)
        bounds = Estimate(mean, mean - sequence * deviation, mean + sequence * deviation)
    margin = LEVEL_SUCCESS if figure is Figure.SUCCESS else LEVEL_SHARE * abs(its.mean)
    verdict = _verdict(bounds, margin)
    if verdict is not Verdict.UNKNOWN:
        return Difference(estimate, verdict, None)
    # The bounds must shrink until they leave out 0, or lie within the margin: whichever comes first.
    wanted = max(abs(mean), margin - abs(mean))
    half = max(bounds.high - mean, mean - bounds.low)
    more = None if wanted <= 0.0 else math.ceil(requests * max((half / wanted) ** 2 - 1.0, 0.0))
    return Difference(estimate, verdict, more)


def _verdict(bounds: Estimate, margin: float) -> Verdict:
    if bounds.low > 0.0:
        return Verdict.HIGHER
    if bounds.high < 0.0:
        return Verdict.LOWER
    return Verdict.LEVEL if bounds.low > -margin and bounds.high < margin else Verdict.UNKNOWN


def _newcombe(mine: _Mean, its: _Mean, z: float) -> Estimate:
    """Newcombe's interval of the difference of two rates, from Wilson's of each (his method 10)."""
    one, other, mean = _wilson(mine, z), _wilson(its, z), mine.mean - its.mean
    down = math.hypot(one.mean - one.low, other.high - other.mean)
    up = math.hypot(one.high - one.mean, other.mean - other.low)
    return Estimate(mean, mean - down, mean + up)


def _freedom(mine: _Mean, its: _Mean) -> float:
    """Degrees of freedom of a difference (Welch 1947)."""
    both = mine.variance + its.variance
    parts: Sequence[_Mean] = (mine, its)
    each = sum(part.variance**2 / max(part.units - 1.0, 1.0) for part in parts)
    return both**2 / each if each > 0.0 else min(part.units for part in parts) - 1.0


def _all_looks(units: float) -> float:
    """How many deviations wide the bounds are that hold at all looks at once, after so many units."""
    error = 1.0 - CONFIDENCE
    rho_squared = (-2.0 * math.log(error) + math.log(1.0 - 2.0 * math.log(error))) / BEST_LOOK
    seen = units * rho_squared
    return math.sqrt(2.0 * (seen + 1.0) / seen * math.log(math.sqrt(seen + 1.0) / error))
