"""Amounts that add up (completion tokens, dollars): arithmetic means by class, shrunk to the arm's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASS_STRENGTH = 4.0
"""The arm's mean is worth this many observations of a class."""
PRIOR_VARIATION = 1.0
"""Deviation of one amount over its mean, before any was seen."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Posterior mean and variance of the expected amount; shape (arms, tasks)."""

    mean: Floats
    variance: Floats


def expected_amounts(sums: Floats, prior_mean: Floats, prior_weight: float) -> Amounts:
    """Expected amounts from weight, Σ x and Σ x² per arm and task (shape (3, arms, tasks)).

    The mean is arithmetic, as dollars add up. The variance of one observation is pooled over an arm's classes.
    """
    weight, total, squares = sums
    seen = prior_weight + weight.sum(axis=1)
    arm = (prior_weight * prior_mean + total.sum(axis=1)) / seen
    second = prior_weight * prior_mean**2 * (1.0 + PRIOR_VARIATION**2) + squares.sum(axis=1)
    spread = np.maximum(second / seen - arm * arm, (0.05 * arm) ** 2)
    size = CLASS_STRENGTH + weight
    mean = (CLASS_STRENGTH * arm[:, None] + total) / size
    lean = CLASS_STRENGTH / size
    variance = spread[:, None] * (1.0 / size + lean * lean / seen[:, None])
    return Amounts(np.maximum(mean, 0.0), variance)
