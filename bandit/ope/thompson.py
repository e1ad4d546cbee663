"""Thompson's probabilities in many recorded choices at once: `bandit.probabilities` in arrays.

One call of the functions for requests takes 50 µs, and a question to a log needs thousands. Tests hold both to the same
results: to 1e-4, the error of the quadrature of either.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bandit.exploration import HALVING_SHORTFALL
from bandit.matching import PANEL, REACH, SMALLEST_DEVIATION, SMALLEST_RATIO, best_probabilities
from bandit.ope.normal_table import FARTHEST, tabled_ndtr
from bandit.shares import feasible, project

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

MOST_TOGETHER = 8
"""Of more values than these that may be the largest, the grid of all would be finer than need be."""
VALUES_AT_ONCE = 16_000
"""So many numbers fit into the cache, and into memory that malloc gives again without a page fault."""
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
    # The narrowest first, and last those that can't be the largest: so rows with as many alive go together.
    order = np.argsort(np.where(alive, sigma, np.inf), axis=1, kind="stable")
    mu, sigma = np.take_along_axis(means, order, axis=1), np.take_along_axis(sigma, order, axis=1)
    counts, shares = alive.sum(axis=1), np.zeros_like(means)
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        if count == 1:
            shares[rows, 0] = 1.0
        elif count > MOST_TOGETHER:
            for row in rows.tolist():
                shares[row, :count] = best_probabilities(mu[row, :count].tolist(), sigma[row, :count].tolist())
        else:
            at_once = VALUES_AT_ONCE // (count * len(_STEPS))
            for start in range(0, len(rows), at_once):
                pause()
                some = rows[start : start + at_once]
                shares[some, :count] = _together(mu[some, :count].T, sigma[some, :count].T, lowest[some, 0], pause).T
    found = np.empty_like(means)
    np.put_along_axis(found, order, shares, axis=1)
    return found


def _together(mu: Floats, sigma: Floats, lowest: Floats, pause: Callable[[], None]) -> Floats:
    """The same of values that may all be the largest, the narrowest first; arrays of shape (values, rows)."""
    ends = _panel_ends(mu, sigma, lowest)
    panels = (ends > lowest[:, None]).sum(axis=1)
    # Rows with as many panels go together, so that few are computed for nothing.
    order, shares = np.argsort(panels, kind="stable"), np.empty(mu.shape)
    fits, start = VALUES_AT_ONCE // (len(mu) * len(_NODES)), 0
    while start < len(order):
        pause()
        fewest = int(panels[order[start]])
        longest = order[start : start + fits // fewest][-1]
        some = order[start : start + max(fits // int(panels[longest]), 1)]
        used = ends[some, -1 - int(panels[some[-1]]) :]
        shares[:, some] = _integrate(mu[:, some], sigma[:, some], used)
        start += len(some)
    return shares


def _panel_ends(mu: Floats, sigma: Floats, lowest: Floats) -> Floats:
    """Where each row's panels end, ascending, shape (rows, ends); as many as are superfluous are `lowest`.

    An end of one value's panels within reach of a narrower Normal is superfluous: the narrower one's are fine enough.
    """
    ends = mu[:, :, None] + sigma[:, :, None] * _STEPS
    reach = REACH * sigma
    for value in range(1, len(mu)):
        for narrower in range(value):
            within = np.abs(ends[value] - mu[narrower, :, None]) < reach[narrower, :, None]
            np.copyto(ends[value], lowest[:, None], where=within)
    kept = np.maximum(ends, lowest[:, None]).transpose(1, 0, 2).reshape(len(lowest), -1)
    kept.sort(axis=1)
    return kept


def _integrate(mu: Floats, sigma: Floats, ends: Floats) -> Floats:
    """Each value's integral over the panels between `ends`, normalised; arrays of shape (values, rows, nodes)."""
    width = np.diff(ends, axis=1)[:, :, None]
    x = (ends[:, :-1, None] + width * _HALF_NODES).reshape(len(ends), -1)
    z = x - mu[:, :, None]
    z /= sigma[:, :, None]
    np.clip(z, -FARTHEST, FARTHEST, out=z)  # what underflows takes several times as long
    below = tabled_ndtr(z)
    # What is 0 but for the table's error must not be less: it is divided by.
    np.maximum(below, _TINY, out=below)
    all_below = np.multiply.reduce(below, axis=0)
    all_below *= (width * _WEIGHTS).reshape(len(ends), -1)
    z *= z
    z *= -0.5
    np.exp(z, out=z)
    z /= below
    shares: Floats = np.einsum("vrn,rn->vr", z, all_below)
    shares /= sigma
    shares /= shares.sum(axis=0)
    return shares
