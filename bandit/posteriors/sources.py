"""How much the scores of a source count beside users' scores: less if they disagree about the models.

A source (an evaluation, a judge) says of arm k what users say of it, but for an offset δ that all arms share, and an
error b_k ~ Normal(0, τ²) of its own, which more rows don't make smaller. With n users' scores and m of the source in a
cell, the difference of the means has the variance σ²(1/n + 1/m). So, per source:

1. D_k, the mean difference of arm k over its cells, each weighing nm/(n + m) (Mantel and Haenszel 1959): a class that
   is harder is compared with itself.
2. δ and τ² by the method of moments (DerSimonian and Laird 1986), both leaning on priors near 0.
3. The source's mean of arm k, less δ, has the variance σ²/m + τ²: as much as m/(1 + mτ²/σ²) scores. So that is what
   they count.

A pure function of sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OFFSET_SPREAD = 0.3
"""Spread of δ before anything is compared."""
DISAGREEMENT, DISAGREEMENT_ARMS = 0.01, 2.0
"""Prior of τ, and how many well-compared arms it is worth."""
TYPICAL_DISAGREEMENT = 0.1
"""An arm whose difference has this standard error tells half as much of τ² as one that is known exactly."""
SCORE_VARIANCE, VARIANCE_SCORES = 0.1, 5.0
SMALLEST_VARIANCE = 0.005
COMPARED_SCORES = 30.0
"""Users' scores of models that a source has scored too, below which nobody can say that they disagree."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Trust:
    """How a source's scores count: `weight` per arm, in [0, 1], after `offset` is taken off each.

    `compared` are the users' scores of arms that the source has scored too, in the same classes; `kept` is the part of
    the weight that their disagreement has left, over all arms.
    """

    weight: Floats
    offset: float
    compared: float
    kept: float = 1.0


def trust(users: Floats, source: Floats, both: Floats | None = None) -> Trust:
    """The trust in a source, from weight, sum and sum of squares of both: shape (3, arms, tasks).

    What a source says of no task (column 0) is compared with all scores of the model. `both` are the differences,
    source less users, of what both have scored: weight, sum and sum of squares per arm.
    """
    if source[0, :, 0].any():
        users = np.concatenate([users.sum(axis=2, keepdims=True), users[:, :, 1:]], axis=2)
    n, m = users[0], source[0]
    variance = _variance(users, source)
    shared = n * m / np.maximum(n + m, _TINY)
    difference = source[1] / np.maximum(m, _TINY) - users[1] / np.maximum(n, _TINY)
    size = shared.sum(axis=1)
    compared = float(np.where(m > 0.0, n, 0.0).sum())
    if both is not None:
        compared += float(both[0].sum())
    if compared < COMPARED_SCORES:
        return Trust(_weight(m, DISAGREEMENT**2, variance), 0.0, compared)
    mean = (shared * difference).sum(axis=1) / np.maximum(size, _TINY)
    error = variance / np.maximum(size, _TINY)
    if both is not None:
        mean, error = _pooled(mean, error, both)
    known = 1.0 / (error + TYPICAL_DISAGREEMENT**2)
    offset = float((known * mean).sum() / (known.sum() + 1.0 / OFFSET_SPREAD**2))
    # How well an arm tells τ²: the square of a Normal's difference has a variance of twice its own squared.
    tells = (known * TYPICAL_DISAGREEMENT**2) ** 2
    excess = float((tells * ((mean - offset) ** 2 - error)).sum())
    spread = max(excess + DISAGREEMENT_ARMS * DISAGREEMENT**2, 0.0) / (float(tells.sum()) + DISAGREEMENT_ARMS)
    weight, undisputed = _weight(m, spread, variance), _weight(m, DISAGREEMENT**2, variance)
    counted = float((weight * m.sum(axis=1)).sum()) / max(float((undisputed * m.sum(axis=1)).sum()), _TINY)
    return Trust(weight, offset, compared, min(counted, 1.0))


def _pooled(mean: Floats, error: Floats, both: Floats) -> tuple[Floats, Floats]:
    """Each arm's difference and its variance, with that of the answers that both have scored."""
    weight, total, squares = both
    each = total / np.maximum(weight, _TINY)
    spread = float((squares - total * each).sum()) + VARIANCE_SCORES * SCORE_VARIANCE
    known = weight / max(spread / (float(weight.sum()) + VARIANCE_SCORES), SMALLEST_VARIANCE)
    precision = 1.0 / error + known
    return (mean / error + known * each) / precision, 1.0 / precision


def weighed(source: Floats, trusted: Trust) -> Floats:
    """The source's sums as they count: less the offset, within what scores in [0, 1] can add up to."""
    weight, total, squares = source
    moved = np.minimum(np.maximum(total - trusted.offset * weight, 0.0), weight)
    about = squares - 2.0 * trusted.offset * total + trusted.offset**2 * weight
    sums: Floats = np.array([weight, moved, np.minimum(np.maximum(about, 0.0), weight)])
    return sums * trusted.weight[:, None]


def _weight(m: Floats, spread: float, variance: float) -> Floats:
    counted: Floats = 1.0 / (1.0 + m.sum(axis=1) * spread / variance)
    return counted


def _variance(users: Floats, source: Floats) -> float:
    """σ²: the variance of one score within its cell, pooled."""
    both = np.array([users, source])
    weight = float(both[:, 0].sum())
    explained = (both[:, 1] ** 2 / np.maximum(both[:, 0], _TINY)).sum()
    within = max(float(both[:, 2].sum() - explained), 0.0)
    return max((within + VARIANCE_SCORES * SCORE_VARIANCE) / (weight + VARIANCE_SCORES), SMALLEST_VARIANCE)
