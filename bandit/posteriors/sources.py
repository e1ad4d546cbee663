"""How much the scores of a source count beside users' scores: less if they disagree about the models.

A source (an evaluation, a judge) says of arm k what users say of it, but for an offset δ that all arms share, and an
error b_k ~ Normal(0, τ²) of its own, which more rows don't make smaller. With n users' scores and m of the source in a
cell, the difference of the means has the variance σ²(1/n + 1/m). So, per source:

1. D_k, the mean difference of arm k over its cells, each weighing nm/(n + m) (Mantel and Haenszel 1959): a class that
   is harder is compared with itself.
2. δ and τ² by the method of moments (DerSimonian and Laird 1986), both leaning on priors near 0.
3. b_k given the users' scores is Normal too: its mean (D_k - δ)·v_k/e_k and its variance v_k = 1/(1/τ² + 1/e_k), e_k
   being that of D_k.
4. Then the mean of a cell, over its n + m scores, the source's less δ + b_k each, has the variance
   σ²/(n + m) + v_k·m²/(n + m)²: that of as many scores as follow. The source adds these less the users' own n, never
   fewer than none.

So a source that no user contradicts yet counts as up to σ²/τ² scores in a cell. What its error is where users have
scored, it is in the model's other classes: it tells how these differ much better than how good the model is.

A pure function of sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OFFSET_SPREAD = 0.3
"""Spread of δ before anything is compared."""
EVALS_DISAGREE, JUDGES_DISAGREE, DISAGREEMENT_ARMS = 0.01, 0.1, 2.0
"""Prior of τ of evaluations and of judges, and how many well-compared arms it is worth: a model likes some styles."""
TYPICAL_DISAGREEMENT = 0.1
"""An arm whose difference has this standard error tells half as much of τ² as one that is known exactly."""
SCORE_VARIANCE, VARIANCE_SCORES = 0.1, 5.0
SMALLEST_VARIANCE = 0.005
COMPARED_SCORES = 30.0
"""Users' scores of models that a source has scored too, below which nobody can say that they disagree."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Trust:
    """How a source's scores count: less `bias` each, per arm, which is known but for a variance of `doubt`.

    `variance` is that of one score, `offset` what all arms' biases have in common. `compared` are the users' scores of
    arms that the source has scored too, in the same classes; `weight` is what its disagreement with users leaves of
    its weight per arm, and `kept` over all arms.
    """

    bias: Floats
    doubt: Floats
    variance: float
    weight: Floats
    offset: float
    compared: float
    kept: float = 1.0


def trust(users: Floats, source: Floats, disagreement: float, both: Floats | None = None) -> Trust:
    """The trust in a source, from weight, sum and sum of squares of both: shape (3, arms, tasks).

    What a source says of no task (column 0) is compared with all scores of the model. `disagreement` is τ before
    anything is compared. `both` are the differences, source less users, of what both have scored: weight, sum and sum
    of squares per arm.
    """
    users = _comparable(users, source)
    n, m = users[0], source[0]
    variance = _variance(users, source)
    shared = n * m / np.maximum(n + m, _TINY)
    difference = source[1] / np.maximum(m, _TINY) - users[1] / np.maximum(n, _TINY)
    size = shared.sum(axis=1)
    compared = float(np.where(m > 0.0, n, 0.0).sum())
    mean = (shared * difference).sum(axis=1) / np.maximum(size, _TINY)
    error = variance / np.maximum(size, _TINY)
    if both is not None:
        compared += float(both[0].sum())
        mean, error = _pooled(mean, error, both)
    known = 1.0 / (error + TYPICAL_DISAGREEMENT**2)
    offset = float((known * mean).sum() / (known.sum() + 1.0 / OFFSET_SPREAD**2))
    # How well an arm tells τ²: the square of a Normal's difference has a variance of twice its own squared.
    tells = (known * TYPICAL_DISAGREEMENT**2) ** 2
    excess = float((tells * ((mean - offset) ** 2 - error)).sum())
    spread = max(excess + DISAGREEMENT_ARMS * disagreement**2, 0.0) / (float(tells.sum()) + DISAGREEMENT_ARMS)
    if compared < COMPARED_SCORES:
        spread = disagreement**2
    spread = max(spread, _TINY)
    weight, undisputed = _weight(m, spread, variance), _weight(m, disagreement**2, variance)
    counted = float((weight * m.sum(axis=1)).sum()) / max(float((undisputed * m.sum(axis=1)).sum()), _TINY)
    doubt = 1.0 / (1.0 / spread + 1.0 / error)
    bias = offset + doubt / error * (mean - offset)
    return Trust(bias, doubt, variance, weight, offset, compared, min(counted, 1.0))


def weighed(users: Floats, source: Floats, trusted: Trust) -> Floats:
    """What the source adds to users' scores, as sums of scores: shape (3, arms, tasks)."""
    users = _comparable(users, source)
    n, m = users[0], source[0]
    size = np.maximum(n + m, _TINY)
    counted = size / (1.0 + m * m * trusted.doubt[:, None] / (size * trusted.variance))
    mean = (users[1] + source[1] - m * trusted.bias[:, None]) / size
    added = np.where(m > 0.0, np.maximum(counted - n, 0.0), 0.0)
    total = np.minimum(np.maximum(counted * mean - users[1], 0.0), added)
    own = source[1:] / np.maximum(m, _TINY)
    within = np.maximum(own[1] - own[0] * own[0], 0.0)
    squares = np.minimum(total * total / np.maximum(added, _TINY) + added * within, total)
    return np.array([added, total, squares])


def _comparable(users: Floats, source: Floats) -> Floats:
    """The users' scores with, in the column of no task, all of an arm's, if the source says something of no task."""
    if not source[0, :, 0].any():
        return users
    return np.concatenate([users.sum(axis=2, keepdims=True), users[:, :, 1:]], axis=2)


def _pooled(mean: Floats, error: Floats, both: Floats) -> tuple[Floats, Floats]:
    """Each arm's difference and its variance, with that of the answers that both have scored."""
    weight, total, squares = both
    each = total / np.maximum(weight, _TINY)
    spread = float((squares - total * each).sum()) + VARIANCE_SCORES * SCORE_VARIANCE
    known = weight / max(spread / (float(weight.sum()) + VARIANCE_SCORES), SMALLEST_VARIANCE)
    precision = 1.0 / error + known
    return (mean / error + known * each) / precision, 1.0 / precision


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
