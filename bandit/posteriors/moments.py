"""Means and variances per arm, as lists: what is computed for one request is plain arithmetic, arm by arm."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bandit.quick import quick_dataclass

Floats = NDArray[np.float64]

Moments: TypeAlias = tuple[Sequence[float], Sequence[float]]
"""Mean and variance per arm."""


@quick_dataclass(frozen=True, slots=True)
class InClass:
    """What is expected of the arms in one class: the score, the completion tokens, and the dollars if not all arms have
    a price.
    """

    quality: Moments
    tokens: Moments
    unpriced: Moments | None


@quick_dataclass(frozen=True, slots=True)
class Share:
    """A Beta posterior of a probability, per arm."""

    mean: Sequence[float]
    variance: Sequence[float]
    second_moment: Sequence[float]  # variance + mean²


def moments(mean: Floats, variance: Floats) -> Moments:
    """The same as lists."""
    return mean.tolist(), variance.tolist()


def share(weight: Floats, total: Floats, prior_mean: float, prior_weight: float) -> Share:
    """The posterior after `weight` attempts with `total` successes; the prior is worth `prior_weight` attempts."""
    mean, variance, second_moment = share_moments(weight, total, prior_mean, prior_weight)
    return Share(mean.tolist(), variance.tolist(), second_moment.tolist())


def share_moments(
    weight: Floats, total: Floats, prior_mean: float, prior_weight: float
) -> tuple[Floats, Floats, Floats]:
    """Mean, variance and second moment of the same, in arrays of any shape."""
    size = prior_weight + weight
    mean = (prior_weight * prior_mean + np.minimum(np.maximum(total, 0.0), weight)) / size
    variance = mean * (1.0 - mean) / (size + 1.0)
    return mean, variance, variance + mean * mean
