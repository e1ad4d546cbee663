"""Thompson's probabilities in many recorded choices at once: `bandit.probabilities` in arrays.

One call of the functions for requests takes 50 µs, and a question to a log needs thousands. Tests hold both to the same
results: to 1e-4, the error of the quadrature of either.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bandit.exploration import HALVING_SHORTFALL
from bandit.matching import PANEL, REACH, SMALLEST_DEVIATION, SMALLEST_RATIO, best_probabilities
from bandit.normal import ndtr
from bandit.shares import feasible, project

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

MOST_TOGETHER = 8
"""Of more values than these that may be the largest, the grid of all would be finer than need be."""
VALUES_AT_ONCE = 50_000
_STEPS: Floats = np.arange(-REACH, REACH + PANEL, PANEL)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_HALF_NODES: Floats = (_NODES + 1.0) / 2.0
_TINY = 1e-300


def thompson_probabilities(
    means: Floats,
    deviations: Floats,
    *,
    candidate: Booleans,
    limited: Booleans,
    low: Floats,
    high: Floats,
    exploration: Floats,
    quality_usd: Floats,
    pause: Callable[[], None] = lambda: None,
) -> Floats:
    """The probabilities of each row's candidates after all steps, shape (choices, models); others have 0.

    `limited` candidates keep their exploration share alone, unless all are limited. `exploration` and `quality_usd` are
    one per row, `low` and `high` bounds of traffic shares. `pause` is called about each millisecond.
    """
    free = candidate & ~limited
    taking_part = np.where(free.any(axis=1, keepdims=True), free, candidate)
    kept = _best(means, deviations, taking_part, pause)
    p = _explored(kept, means, candidate, exploration, quality_usd)
    low, high = np.where(candidate, low, 0.0), np.where(candidate, high, 0.0)
    bounded = ((low > high) | (p < low) | (p > high)).any(axis=1)
    bounded |= (low.sum(axis=1) > 1.0) | (high.sum(axis=1) < 1.0)
    for row in np.flatnonzero(bounded).tolist():
        columns = np.flatnonzero(candidate[row])
        lows, highs, _ = feasible(low[row, columns].tolist(), high[row, columns].tolist())
        p[row, columns] = project(p[row, columns].tolist(), lows, highs)
    return p


def _explored(kept: Floats, means: Floats, candidate: Booleans, exploration: Floats, quality_usd: Floats) -> Floats:
    """(1 - ε)p + ε·w, with w as in `bandit.exploration`."""
    halving = (HALVING_SHORTFALL * quality_usd)[:, None]
    best = np.where(candidate, means, -np.inf).max(axis=1, keepdims=True)
    parts = np.ones_like(means)
    np.divide(halving, halving + (best - means), out=parts, where=candidate & (halving > 0.0))
    parts = np.where(candidate, parts, 0.0)
    share = exploration[:, None]
    mixed: Floats = (1.0 - share) * kept + share * parts / parts.sum(axis=1, keepdims=True)
    return mixed


def _best(means: Floats, deviations: Floats, taking_part: Booleans, pause: Callable[[], None]) -> Floats:
    """P(X_k is the largest) among those that take part, as `bandit.matching` says."""
    widest = np.where(taking_part, deviations, 0.0).max(axis=1, keepdims=True)
    sigma = np.maximum(deviations, np.maximum(SMALLEST_RATIO * widest, SMALLEST_DEVIATION))
    lowest = np.where(taking_part, means - REACH * sigma, -np.inf).max(axis=1, keepdims=True)
    alive = taking_part & (means + REACH * sigma > lowest)
    found = np.zeros_like(means)
    bits = np.packbits(alive, axis=1)
    _, places, pattern_of = np.unique(bits.view(f"S{bits.shape[1]}"), return_index=True, return_inverse=True)
    for number, place in enumerate(places.tolist()):
        columns, rows = np.flatnonzero(alive[place]), np.flatnonzero(pattern_of.reshape(-1) == number)
        if len(columns) == 1:
            found[rows, columns[0]] = 1.0
        elif len(columns) > MOST_TOGETHER:
            for row in rows.tolist():
                found[row, columns] = best_probabilities(means[row, columns].tolist(), sigma[row, columns].tolist())
        else:
            mu, deviation = means[np.ix_(rows, columns)], sigma[np.ix_(rows, columns)]
            pause()
            ends = _panel_ends(mu, deviation, lowest[rows])
            panels = (ends > lowest[rows]).sum(axis=1)
            # Rows with as many panels go together, so that few are computed for nothing.
            order = np.argsort(panels, kind="stable")
            at_once = max(VALUES_AT_ONCE // (len(columns) * ends.shape[1] * len(_NODES)), 1)
            for start in range(0, len(rows), at_once):
                pause()
                some = order[start : start + at_once]
                used = ends[some, -1 - int(panels[some[-1]]) :]
                found[np.ix_(rows[some], columns)] = _integrate(mu[some], deviation[some], used)
    return found


def _panel_ends(mu: Floats, sigma: Floats, lowest: Floats) -> Floats:
    """Where each row's panels end, ascending, shape (rows, ends); as many as are superfluous are `lowest`.

    An end of one value's panels within reach of a narrower Normal is superfluous: the narrower one's are fine enough.
    """
    ends = mu[:, :, None] + sigma[:, :, None] * _STEPS
    values = np.arange(mu.shape[1])
    # Of equally wide ones the first counts as narrower.
    narrower = (sigma[:, None, :] < sigma[:, :, None]) | (
        (sigma[:, None, :] == sigma[:, :, None]) & (values < values[:, None])
    )
    within = np.abs(ends[:, :, :, None] - mu[:, None, None, :]) < REACH * sigma[:, None, None, :]
    superfluous = (within & narrower[:, :, None, :]).any(axis=3)
    kept: Floats = np.where(superfluous, lowest[:, :, None], ends).reshape(len(mu), -1)
    return np.sort(np.maximum(kept, lowest), axis=1)


def _integrate(mu: Floats, sigma: Floats, ends: Floats) -> Floats:
    """Each value's integral over the panels between `ends`, normalised; arrays of shape (rows, values, nodes)."""
    width = np.diff(ends, axis=1)[:, :, None]
    x = (ends[:, :-1, None] + width * _HALF_NODES).reshape(len(mu), 1, -1)
    weight = (width * _WEIGHTS).reshape(len(mu), 1, -1)
    z = (x - mu[:, :, None]) / sigma[:, :, None]
    below = ndtr(z)
    all_below = below.prod(axis=1, keepdims=True) * weight
    # Far below a narrow Normal its Φ is 0, and so is the product: 0 / tiny is 0, 0 / 0 would be no number.
    np.maximum(below, _TINY, out=below)
    z *= z
    z *= -0.5
    np.exp(z, out=z)
    z /= below
    z *= all_below
    shares: Floats = z.sum(axis=2) / sigma
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
