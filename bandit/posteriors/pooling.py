"""Empirical Bayes over the arms of a router: what is expected of an arm that has been tried little, from the others."""

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.margins import over_tasks

Floats = NDArray[np.float64]

DEFAULT_WEIGHT = 0.25
"""A built-in default counts as much as this share of an arm that is well known."""


def pooled_by_others(values: Floats, seen: Floats, default: Floats, default_weight: Floats | float) -> Floats:
    """Per arm (the last axis) the mean of the other arms' values, and of the default.

    `seen` are the observations behind each value: it counts n / (n + 1), as the mean of one more arm.

    >>> pooled_by_others(np.array([2.0, 6.0, 9.0]), np.array([1.0, 3.0, 0.0]), np.array([4.0, 4.0, 4.0]), 0.25)
    array([5.5       , 2.66666667, 4.33333333])
    """
    known = seen / (seen + 1.0)
    weighed = known * values
    others = over_tasks(known)[..., None] - known
    added = over_tasks(weighed)[..., None] - weighed
    pooled: Floats = (default_weight * default + added) / (default_weight + others)
    return pooled
