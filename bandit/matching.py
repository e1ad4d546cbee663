"""Probability matching: how probable is it that each of several Normal values is the largest?"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

REACH = 6.0
"""Deviations from its mean within which a Normal is integrated."""
PANEL = 1.5
"""Width of a panel, in the smallest deviation that is alive in it."""
SMALLEST_RATIO = 1e-4
"""Deviations are floored at this share of the largest."""
SMALLEST_DEVIATION = 1e-12

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_HALF_NODES: NDArray[np.float64] = (_NODES + 1.0) / 2.0
_HALF_WEIGHTS: NDArray[np.float64] = _WEIGHTS / 2.0 / math.sqrt(2.0 * math.pi)
_TINY = 1e-300


def best_probabilities(means: Sequence[float], deviations: Sequence[float]) -> list[float]:
    """P(X_k is the largest) for independent X_k ~ Normal(means[k], deviations[k]²), normalised to sum to 1.

    ∫ φ_k Π_{j≠k} Φ_j by composite Gauss-Legendre quadrature on one grid whose panels are fine wherever a narrow
    Normal lives. Deviations are floored, so equal means without uncertainty share equally. O(values × panels).
    """
    count = len(means)
    if count == 1:
        return [1.0]
    floor = max(SMALLEST_RATIO * max(deviations), SMALLEST_DEVIATION)
    sigmas = [max(deviation, floor) for deviation in deviations]
    lowest = max(mean - REACH * sigma for mean, sigma in zip(means, sigmas, strict=True))
    alive = [k for k in range(count) if means[k] + REACH * sigmas[k] > lowest]
    if len(alive) == 1:
        return [1.0 if k == alive[0] else 0.0 for k in range(count)]
    mu = [means[k] for k in alive]
    sigma = [sigmas[k] for k in alive]
    share = _integrate(mu, sigma, lowest)
    result = [0.0] * count
    total = sum(share)
    for k, p in zip(alive, share, strict=True):
        result[k] = p / total
    return result


def _integrate(mu: list[float], sigma: list[float], lowest: float) -> list[float]:
    starts, widths = _panels(mu, sigma, lowest)
    start, width = np.array(starts)[:, None], np.array(widths)[:, None]
    x = (start + width * _HALF_NODES).ravel()
    weight = (width * _HALF_WEIGHTS).ravel()
    scale = np.array(sigma)[:, None]
    z = (x - np.array(mu)[:, None]) / scale
    below = ndtr(z)
    all_below = np.multiply.reduce(below, axis=0) * weight
    np.maximum(below, _TINY, out=below)
    np.multiply(z, z, out=z)
    z *= -0.5
    np.exp(z, out=z)
    z /= below
    shares: list[float] = (np.dot(z, all_below) / scale[:, 0]).tolist()
    return shares


def _panels(mu: list[float], sigma: list[float], lowest: float) -> tuple[list[float], list[float]]:
    """Starts and widths of the panels from `lowest` to the highest reach: edges where a Normal comes alive or ends."""
    reaches = sorted(zip(sigma, mu, strict=True))
    edges = sorted({lowest, *(m + REACH * s for s, m in reaches), *(max(m - REACH * s, lowest) for s, m in reaches)})
    starts: list[float] = []
    widths: list[float] = []
    for left, right in pairwise(edges):
        middle = (left + right) / 2.0
        narrowest = next((s for s, m in reaches if abs(middle - m) <= REACH * s), None)
        if narrowest is None:
            continue
        count = math.ceil((right - left) / (PANEL * narrowest))
        width = (right - left) / count
        starts += [left + width * i for i in range(count)]
        widths += [width] * count
    return starts, widths
