"""Quality by model and task class: hierarchical Beta cells around arm and class effects, with their own strength."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASS_WEIGHT = 5.0
"""The class effect is shrunk by this many pseudo-scores."""
SMALLEST_KAPPA, LARGEST_KAPPA = 4.0, 400.0
EXPECTED_KAPPA = 40.0
EXPECTED_KAPPA_WEIGHT = 100.0
"""Before the cells have shown how much they differ, κ is this, worth so many pairs of scores."""
SWEEPS = 4
SMALLEST_MEAN, LARGEST_MEAN = 0.02, 0.98


@dataclass(frozen=True, slots=True)
class Quality:
    """Posterior of the expected score. `mean` and `variance` have shape (arms, tasks); `scores` is per arm."""

    mean: Floats
    variance: Floats
    scores: Floats
    kappa: float


def quality_posterior(weight: Floats, total: Floats, prior_mean: Floats, prior_weight: Floats) -> Quality:
    """The Beta posterior of each cell (arm k, class g), from its number of scores N and their sum S.

    The cell's prior mean is arm effect + class effect, t = clip(m_k + b_g, 0.02, 0.98), each computed without the
    cell itself; its strength κ' joins how much cells differ from arm + class (κ, by the method of moments) with how
    well the two effects are known: 1/κ' = 1/κ + 1/(n_k + κ_a) + 1/(n_g + 5). O(arms × classes).
    """
    n = np.maximum(weight, 0.0)
    s = np.clip(total, 0.0, n)
    n_arm, s_arm = n.sum(axis=1), s.sum(axis=1)
    n_class, s_class = n.sum(axis=0), s.sum(axis=0)
    prior_scores = prior_weight * prior_mean
    arm = (prior_scores + s_arm) / (prior_weight + n_arm)
    effect = np.zeros(n.shape[1])
    for _ in range(SWEEPS):
        effect = (s_class - arm @ n) / (CLASS_WEIGHT + n_class)
        arm = (prior_scores + s_arm - n @ effect) / (prior_weight + n_arm)
    arm_weight = prior_weight[:, None] + n_arm[:, None] - n
    class_weight = CLASS_WEIGHT + n_class - n
    arm_without = ((prior_scores + s_arm - n @ effect)[:, None] - s + n * effect) / arm_weight
    class_without = ((s_class - arm @ n) - s + n * arm[:, None]) / class_weight
    t = np.clip(arm_without + class_without, SMALLEST_MEAN, LARGEST_MEAN)
    spread = t * (1.0 - t)
    known = 1.0 / arm_weight + 1.0 / class_weight
    kappa = _kappa(n, s, t, spread, known)
    strength = 1.0 / (1.0 / kappa + known)
    alpha = t * strength + s
    size = strength + n
    mean = alpha / size
    return Quality(mean, mean * (1.0 - mean) / (size + 1.0), n_arm, kappa)


def _kappa(n: Floats, s: Floats, t: Floats, spread: Floats, known: Floats) -> float:
    """κ by the method of moments: E(S - N t)² = t(1 - t)·(N + N(N - 1)/(κ + 1) + N²·(uncertainty of t))."""
    residual = s - n * t
    pairs = np.maximum(n * (n - 1.0), 0.0)
    excess = (residual * residual / spread - n - n * n * known)[n > 1.0].sum()
    share = (excess + EXPECTED_KAPPA_WEIGHT / EXPECTED_KAPPA) / (pairs.sum() + EXPECTED_KAPPA_WEIGHT)
    return float(min(max(1.0 / share - 1.0, SMALLEST_KAPPA), LARGEST_KAPPA)) if share > 0.0 else LARGEST_KAPPA
