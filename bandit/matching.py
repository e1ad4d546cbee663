"""Probability matching: how probable is it that each of several Normal values is the largest?"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

REACH = 6.0
"""Deviations from its mean within which a Normal is integrated."""
PANEL = 2.0
"""Width of a panel, in the narrowest deviation that is alive in it. Error below 1e-4 for ratios up to 1,000."""
SMALLEST_RATIO = 1e-4
"""Deviations are floored at this share of the largest."""
SMALLEST_DEVIATION = 1e-12

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_HALF_NODES: Floats = (_NODES + 1.0) / 2.0
_HALF_WEIGHTS: Floats = _WEIGHTS / 2.0 / math.sqrt(2.0 * math.pi)
_TINY = 1e-300


def best_probabilities(means: Sequence[float], deviations: Sequence[float]) -> list[float]:
    """P(X_k is the largest) for independent X_k ~ Normal(means[k], deviations[k]²), normalised to sum to 1.

    ∫ φ_k Π_{j≠k} Φ_j by composite Gauss-Legendre quadrature on one grid whose panels are fine wherever a narrow
    Normal lives. Deviations are floored, so equal means without uncertainty share equally. O(values × panels).
    """
    count = len(means)
    floor = max(SMALLEST_RATIO * max(deviations), SMALLEST_DEVIATION)
    sigmas = [deviation if deviation > floor else floor for deviation in deviations]
    lowest = max([mean - REACH * sigma for mean, sigma in zip(means, sigmas, strict=True)])
    alive = [k for k in range(count) if means[k] + REACH * sigmas[k] > lowest]
    result = [0.0] * count
    if len(alive) == 1:
        result[alive[0]] = 1.0
        return result
    shares = _integrate([means[k] for k in alive], [sigmas[k] for k in alive], lowest)
    total = sum(shares)
    for k, share in zip(alive, shares, strict=True):
        result[k] = share / total
    return result


def _integrate(mu: list[float], sigma: list[float], lowest: float) -> list[float]:
    x, weight = _grid(mu, sigma, lowest)
    scale = np.array(sigma)[:, None]
    z = (x - np.array(mu)[:, None]) / scale
    below = ndtr(z)
    all_below = np.multiply.reduce(below, axis=0)
    all_below *= weight
    np.maximum(below, _TINY, out=below)
    z *= z
    z *= -0.5
    np.exp(z, out=z)
    z /= below
    shares: list[float] = (z @ all_below / scale[:, 0]).tolist()
    return shares


def _grid(mu: list[float], sigma: list[float], lowest: float) -> tuple[Floats, Floats]:
    """Nodes and weights from `lowest` to the highest reach: the narrowest first, the wider in the gaps they leave."""
    starts: list[float] = []
    widths: list[float] = []
    gaps = [(lowest, max([m + REACH * s for m, s in zip(mu, sigma, strict=True)]))]
    for s, m in sorted(zip(sigma, mu, strict=True)):
        left, right = m - REACH * s, m + REACH * s
        rest: list[tuple[float, float]] = []
        for start, end in gaps:
            a, b = max(start, left), min(end, right)
            if a >= b:
                rest.append((start, end))
                continue
            count = math.ceil((b - a) / (PANEL * s))
            width = (b - a) / count
            starts += [a + width * i for i in range(count)]
            widths += [width] * count
            if start < a:
                rest.append((start, a))
            if b < end:
                rest.append((b, end))
        gaps = rest
        if not gaps:
            break
    width_of = np.array(widths)[:, None]
    return (np.array(starts)[:, None] + width_of * _HALF_NODES).ravel(), (width_of * _HALF_WEIGHTS).ravel()
