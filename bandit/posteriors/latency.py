"""Latency: a Normal-inverse-gamma posterior of ln(seconds), and the expected seconds that follow from it."""

import math
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

    >>> hang = clipped(math.log(3_600.0), LogNormalPrior(mean=0.0, spread=1.5, weight=1.0))
    >>> round(math.exp(hang))  # an hour counts as 90 seconds
    90
    """
    reach = CLIP_SPREADS * prior.spread
    return min(max(log_seconds, prior.mean - reach), prior.mean + reach)


def log_time(sums: Floats, priors: Floats, own: NDArray[np.bool_]) -> LogTime:
    """The posterior of expected times from weight, Σ y, Σ y² of y = ln time, and from mean, spread, weight of priors.

    Both have shape (3, …, arms). m and s² are the posterior's location and expected variance, E[time] = e^(m + s²/2),
    the mean of a log-normal, and its variance by the delta method: s²/n for m, s⁴/(2n) for s²/2. An arm whose prior is
    not its model's `own` is expected to be like the router's other arms, as far as these are known.
    """
    mean, spread, _ = priors
    reach = CLIP_SPREADS * spread  # of the frozen priors, as observations were clipped
    n, m, variance = _posterior(sums, np.where(own, priors, _pooled(sums, priors, own)))
    half = 0.5 * variance
    relative = np.minimum(variance * (1.0 + half) / n, LARGEST_RELATIVE_VARIANCE)
    return LogTime(np.exp(np.minimum(np.maximum(m, mean - reach), mean + reach) + half), relative)


def _posterior(sums: Floats, priors: Floats) -> tuple[Floats, Floats, Floats]:
    """Size n, location m and expected variance s² of the Normal-inverse-gamma posterior."""
    weight, total, squares = sums
    mean, spread, strength = priors
    n = strength + weight
    m = (strength * mean + total) / n
    # s² is bounded: the mean of e^y under the log-Student-t of an unknown variance is infinite.
    second = (strength * (spread * spread + mean * mean) + squares) / n
    variance = np.minimum(np.maximum(second - m * m, SMALLEST_VARIANCE), LARGEST_VARIANCE)
    return n, m, variance


def _pooled(sums: Floats, priors: Floats, own: NDArray[np.bool_]) -> Floats:
    """Priors by empirical Bayes: mean and spread of the other arms' times, each arm by how well it is known."""
    mean, spread, strength = priors
    _, m, variance = _posterior(sums, priors)
    seen = sums[0] + np.where(own, strength, 0.0)
    moments = np.array([m, m * m + variance])
    defaults = np.array([mean, mean * mean + spread * spread])
    first, second = pooled_by_others(moments, seen, defaults, DEFAULT_WEIGHT * strength)
    spread = np.sqrt(np.maximum(second - first * first, SMALLEST_VARIANCE))
    return np.array([first, spread, np.ones_like(first)])


def log_of(seconds: float) -> float | None:
    """ln(seconds); None for a time that is not positive and finite."""
    return math.log(seconds) if seconds > 0.0 and math.isfinite(seconds) else None
