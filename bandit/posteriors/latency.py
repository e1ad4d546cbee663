"""Latency: a Normal-inverse-gamma posterior on ln(seconds), and what it expects in seconds."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.types import LogNormalPrior

Floats = NDArray[np.float64]

CLIP_SPREADS = 3.0
LARGEST_VARIANCE = 1.0
SMALLEST_VARIANCE = 0.01
LARGEST_RELATIVE_VARIANCE = 4.0


@dataclass(frozen=True, slots=True)
class LogTime:
    """Expected time (seconds, or seconds per token) and the variance of that expectation over its square."""

    mean: Floats
    relative_variance: Floats


def clipped(log_seconds: float, prior: LogNormalPrior) -> float:
    """An observation kept within three spreads of the prior: one hang must not rewrite the ranking."""
    reach = CLIP_SPREADS * prior.spread
    return min(max(log_seconds, prior.mean - reach), prior.mean + reach)


def log_time(sums: Floats, priors: Floats) -> LogTime:
    """The posterior of expected times from weight, Σ y, Σ y² of y = ln time, and from mean, spread, weight of priors.

    Both have shape (3, …). E[time] = e^(m + s²/2) with s² bounded (the mean of e^y under a log-Student-t would be
    infinite); its variance by the delta method: s²/n for m, s⁴/(2 n) for s²/2.
    """
    weight, total, squares = sums
    mean, spread, strength = priors
    n = strength + weight
    reach = CLIP_SPREADS * spread
    m = np.minimum(np.maximum((strength * mean + total) / n, mean - reach), mean + reach)
    second = (strength * (spread * spread + mean * mean) + squares) / n
    variance = np.minimum(np.maximum(second - m * m, SMALLEST_VARIANCE), LARGEST_VARIANCE)
    half = 0.5 * variance
    relative = np.minimum(variance * (1.0 + half) / n, LARGEST_RELATIVE_VARIANCE)
    return LogTime(np.exp(m + half), relative)


def log_of(seconds: float) -> float | None:
    """ln(seconds); None for a time that is not positive and finite."""
    return math.log(seconds) if seconds > 0.0 and math.isfinite(seconds) else None
