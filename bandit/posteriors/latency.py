"""Latency: a Normal-inverse-gamma posterior of ln(seconds), and the expected seconds that follow from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.pooling import DEFAULT_WEIGHT, pooled_by_others
from bandit.types import LogNormalPrior

Floats = NDArray[np.float64]

CLIP_SPREADS = 3.0
"""Observations are clipped to this many spreads of the prior: one hang must not rewrite the ranking."""
LARGEST_VARIANCE = 1.0
SMALLEST_VARIANCE = 0.01
LARGEST_RELATIVE_VARIANCE = 4.0


@dataclass(frozen=True, slots=True)
class LogTime:
    """Expected time (seconds, or seconds per token) and the variance of that expectation over its square."""

    mean: Floats
    relative_variance: Floats


def clipped(log_seconds: float, prior: LogNormalPrior) -> float:
    """ln(seconds) clipped to three spreads of the prior.

    >>> import math
    >>> hang = clipped(math.log(3_600.0), LogNormalPrior(mean=0.0, spread=1.5, weight=1.0))
    >>> round(math.exp(hang))  # an hour counts as 90 seconds
    90
    """
    reach = CLIP_SPREADS * prior.spread
    return min(max(log_seconds, prior.mean - reach), prior.mean + reach)


@dataclass(frozen=True, slots=True)
class TimePriors:
    """Priors of ln(time), and what the posteriors need of them; arrays of shape (…, arms).

    An observation of a prior counts as any other: `sums` are its weight, Σ y and Σ y², shape (3, …, arms). Those that
    are `own` were learned of the model itself. `defaults` are the moments of y and y², `default_weight` what they count
    for beside other arms, `seen` the observations behind the own ones.
    """

    own: NDArray[np.bool_]
    all_own: bool
    sums: Floats
    lowest: Floats
    highest: Floats
    seen: Floats
    defaults: Floats
    default_weight: Floats


def time_priors(mean: Floats, spread: Floats, weight: Floats, own: NDArray[np.bool_]) -> TimePriors:
    """The priors with this mean and spread of ln(time), worth `weight` observations."""
    reach = CLIP_SPREADS * spread  # of the frozen priors, as observations were clipped
    defaults = np.array([mean, mean * mean + spread * spread])
    return TimePriors(
        own=own,
        all_own=bool(own.all()),
        sums=np.array([weight, weight * mean, weight * (spread * spread + mean * mean)]),
        lowest=mean - reach,
        highest=mean + reach,
        seen=np.where(own, weight, 0.0),
        defaults=defaults,
        default_weight=DEFAULT_WEIGHT * weight,
    )


def log_time(sums: Floats, priors: TimePriors) -> LogTime:
    """The posterior of expected times from weight, Σ y, Σ y² of y = ln time, shape (3, …, arms).

    m and s² are the posterior's location and expected variance, E[time] = e^(m + s²/2), the mean of a log-normal, and
    its variance by the delta method: s²/n for m, s⁴/(2n) for s²/2. An arm whose prior is not its model's own is
    expected to be like the router's other arms, as far as these are known.
    """
    n, m, variance = _posterior(sums, priors.sums)
    if not priors.all_own:
        pooled = _pooled(sums[0], m, variance, priors)
        n, m, variance = _posterior(sums, np.where(priors.own, priors.sums, pooled))
    half = 0.5 * variance
    relative = np.minimum(variance * (1.0 + half) / n, LARGEST_RELATIVE_VARIANCE)
    return LogTime(np.exp(np.minimum(np.maximum(m, priors.lowest), priors.highest) + half), relative)


def _posterior(sums: Floats, priors: Floats) -> tuple[Floats, Floats, Floats]:
    """Size n, location m and expected variance s² of the Normal-inverse-gamma posterior."""
    added = sums + priors
    m, second = added[1:] / added[0]
    # s² is bounded: the mean of e^y under the log-Student-t of an unknown variance is infinite.
    return added[0], m, np.minimum(np.maximum(second - m * m, SMALLEST_VARIANCE), LARGEST_VARIANCE)


def _pooled(weight: Floats, m: Floats, variance: Floats, priors: TimePriors) -> Floats:
    """Sums of a prior worth one observation, by empirical Bayes: like the other arms, each by how well it is known."""
    moments = np.array([m, m * m + variance])
    first, second = pooled_by_others(moments, weight + priors.seen, priors.defaults, priors.default_weight)
    pooled = np.ones_like(priors.sums)
    pooled[1] = first
    pooled[2] = np.maximum(second, first * first + SMALLEST_VARIANCE)
    return pooled
