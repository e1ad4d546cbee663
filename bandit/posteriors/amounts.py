"""Amounts that add up (completion tokens, dollars): arithmetic means per class, shrunk to the arm's mean.

A call site's is shrunk to the mean of its family, and that to the arm's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.families import Families
from bandit.posteriors.pooling import DEFAULT_WEIGHT, pooled_by_others

Floats = NDArray[np.float64]

CLASS_STRENGTH = 4.0
"""The arm's mean is worth this many observations in a class, and that of a family in a call site."""
SMALLEST_SEEN = 1e-9
PRIOR_VARIATION = 1.0
SMALLEST_VARIATION = 0.05
"""Deviation of one amount over its mean: prior, and floor."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Posterior mean and variance of the expected amount; shape (arms, tasks)."""

    mean: Floats
    variance: Floats


def expected_amounts(
    sums: Floats, prior_mean: Floats, prior_weight: float, of_sites: Families | None = None
) -> Amounts:
    """Expected amounts from weight, Σ x and Σ x² per arm and task (shape (3, arms, tasks)) and a prior mean per arm.

    The mean is arithmetic, as dollars add up; that of a log-normal would be wrong by a factor. The variance of one
    observation is pooled over an arm's classes.
    """
    seen, added, second = np.add.reduce(sums, axis=2)
    seen = seen + prior_weight
    arm = (prior_weight * prior_mean + added) / seen
    second = second + prior_weight * prior_mean * prior_mean * (1.0 + PRIOR_VARIATION**2)
    spread = np.maximum(second / seen - arm * arm, SMALLEST_VARIATION**2 * arm * arm)
    size = sums[0] + CLASS_STRENGTH
    lean = CLASS_STRENGTH / size
    base, doubt = arm[:, None], 1.0 / seen[:, None]
    if of_sites is not None:
        others = of_sites.of_others(sums[0])
        arm_share = CLASS_STRENGTH / (CLASS_STRENGTH + others)
        base = arm_share * (base + of_sites.of_others(sums[1]) / CLASS_STRENGTH)
        doubt = arm_share * arm_share * (doubt + others / CLASS_STRENGTH**2)
    mean = lean * base + sums[1] / size
    return Amounts(np.maximum(mean, 0.0), spread[:, None] * (1.0 / size + doubt * (lean * lean)))


def pooled_means(sums: Floats, default: Floats, own: NDArray[np.bool_]) -> Floats:
    """Prior means per arm, from the sums as in `expected_amounts`: an arm's `own`, else the mean of the other arms."""
    seen, added, _ = np.add.reduce(sums, axis=2)
    mean = np.where(seen > 0.0, added / np.maximum(seen, SMALLEST_SEEN), default)
    seen = np.where(own, np.maximum(seen, 1.0), seen)
    return np.where(own, default, pooled_by_others(mean, seen, default, DEFAULT_WEIGHT))
