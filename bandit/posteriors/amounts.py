"""Amounts that add up (completion tokens, dollars): arithmetic means per class, shrunk to the arm's mean.

A call site's is shrunk to the mean of its family, and that to the arm's.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.families import Families
from bandit.posteriors.margins import over_tasks
from bandit.posteriors.moments import Moments
from bandit.posteriors.pooling import DEFAULT_WEIGHT, pooled_by_others
from bandit.quick import quick_dataclass

Floats = NDArray[np.float64]
F = TypeVar("F", float, Floats)

CLASS_STRENGTH = 4.0
"""The arm's mean is worth this many observations in a class, and that of a family in a call site."""
SMALLEST_SEEN = 1e-9
PRIOR_VARIATION = 1.0
SMALLEST_VARIATION = 0.05
"""Deviation of one amount over its mean: prior, and floor."""


@quick_dataclass(frozen=True, slots=True)
class Amounts:
    """Posterior of an expected amount, from what was seen and added up per arm and task.

    `cells` are these two, shape (2, …, arms, tasks); `spread` is the variance of one amount per arm. A cell is shrunk
    to its base, which has itself a variance of doubt · spread: `leans` are base and doubt, shape (2, …, arms, 1), or
    (2, …, arms, tasks) if call sites have families.
    """

    cells: Floats
    spread: Floats
    leans: Floats

    def of(self, column: int) -> tuple[Floats, Floats]:
        """Mean and variance per arm in one class."""
        seen, added = self.cells[..., column]
        base, doubt = self._leans_of(column)
        mean, variance = _in_cell(seen, added, self.spread, base, doubt)
        return np.maximum(mean, 0.0), variance

    def listed(self, column: int) -> Moments:
        """The same of one router, arm by arm: for few arms that takes less than eight calls for arrays."""
        parts = *self.cells[..., column].tolist(), self.spread.tolist(), *self._leans_of(column).tolist()
        means, variances = [], []
        for cell in zip(*parts, strict=True):
            mean, variance = _in_cell(*cell)
            means.append(max(mean, 0.0))
            variances.append(variance)
        return means, variances

    def _leans_of(self, column: int) -> Floats:
        leans: Floats = self.leans[..., column if self.leans.shape[-1] > 1 else 0]
        return leans


def _in_cell(seen: F, added: F, spread: F, base: F, doubt: F) -> tuple[F, F]:
    size = seen + CLASS_STRENGTH
    lean = CLASS_STRENGTH / size
    return lean * base + added / size, spread * (1.0 / size + doubt * (lean * lean))


def expected_amounts(
    sums: Floats, prior_mean: Floats, prior_weight: float, of_sites: Families | None = None
) -> Amounts:
    """Expected amounts from weight, Σ x and Σ x² per arm and task (shape (3, …, arms, tasks)) and a prior mean per arm.

    The mean is arithmetic, as dollars add up; that of a log-normal would be wrong by a factor. The variance of one
    observation is pooled over an arm's classes.
    """
    seen, added, second = over_tasks(sums)
    seen = seen + prior_weight
    prior = prior_weight * prior_mean
    arm = (prior + added) / seen
    square = arm * arm
    second = second + (1.0 + PRIOR_VARIATION**2) * (prior * prior_mean)
    spread = np.maximum(second / seen - square, SMALLEST_VARIATION**2 * square)
    leans = np.array([arm, np.reciprocal(seen)])[..., None]
    if of_sites is not None:
        others, added_by_others = of_sites.of_others(sums[:2])
        arm_share = CLASS_STRENGTH / (CLASS_STRENGTH + others)
        base, doubt = leans
        base = arm_share * (base + added_by_others / CLASS_STRENGTH)
        doubt = arm_share * arm_share * (doubt + others / CLASS_STRENGTH**2)
        leans = np.array([base, doubt])
    return Amounts(sums[:2], spread, leans)


def pooled_means(sums: Floats, default: Floats, own: NDArray[np.bool_]) -> Floats:
    """Prior means per arm, from the sums as in `expected_amounts`: an arm's `own`, else the mean of the other arms."""
    seen, added, _ = over_tasks(sums)
    mean = added / np.maximum(seen, SMALLEST_SEEN)
    if not np.count_nonzero(own):
        return pooled_by_others(mean, seen, default, DEFAULT_WEIGHT)  # what was not seen counts nothing
    mean = np.where(seen > 0.0, mean, default)
    seen = np.where(own, np.maximum(seen, 1.0), seen)
    return np.where(own, default, pooled_by_others(mean, seen, default, DEFAULT_WEIGHT))
