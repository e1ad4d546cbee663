"""Probability matching: how probable is it that each of several Normal values is the largest?

The integral is ∫ φ_k(x) Π_{j≠k} Φ_j(x) dx, with φ and Φ the density and distribution of each value. A sharp Normal
beside a wide one defeats a fixed rule: 32 Gauss-Hermite nodes are wrong by 0.04 if one deviation is 10 times another.
So the nodes are set where something happens:

1. Below the highest of the means - 6 deviations (`lowest`), some other value is larger for certain: integrate from
   there. Values that lie below it altogether have probability 0 and are left out.
2. Cover the rest with panels, 2 deviations wide, of the narrowest Normal within its ± 6 deviations; then of the next
   wider one, in the gaps that are left, and so on. Each stretch is as fine as the narrowest Normal that lives there.
3. Four Gauss-Legendre nodes in each panel.
4. One product Π Φ_j for all values, divided by each value's own Φ_k in turn.
5. Normalise. The result *is* the policy, so the logged propensity is exact whatever the error of the quadrature.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bandit.normal import ndtr

Floats = NDArray[np.float64]

REACH = 6.0
"""Deviations from its mean within which a Normal is integrated."""
PANEL = 2.0
"""Width of a panel, in deviations of the Normal that it is made for. Error below 1e-4 for ratios up to 1,000."""
ROUNDING = 1e-6
"""Of a panel: what is shorter is none."""
SMALLEST_RATIO = 1e-4
"""Deviations are floored at this share of the largest, which bounds the number of panels."""
SMALLEST_DEVIATION = 1e-12

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_NODE_0, _NODE_1, _NODE_2, _NODE_3 = ((_NODES + 1.0) / 2.0).tolist()
"""In each panel, in parts of its width."""
_WEIGHT_0, _WEIGHT_1, _WEIGHT_2, _WEIGHT_3 = (_WEIGHTS / 2.0 / math.sqrt(2.0 * math.pi)).tolist()
"""Of these, with the density's constant."""
_TINY = 1e-300


def best_probabilities(means: Sequence[float], deviations: Sequence[float]) -> list[float]:
    """P(X_k is the largest) for independent X_k ~ Normal(means[k], deviations[k]²), summing to 1.

    Deviations are floored, so equal means without uncertainty share equally. O(values × panels).

    >>> [round(p, 3) for p in best_probabilities([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])]
    [0.333, 0.333, 0.333]
    >>> known, new = best_probabilities([0.6, 0.5], [0.01, 0.3])
    >>> round(known, 2), round(new, 2)
    (0.63, 0.37)
    """
    count = len(means)
    floor = max(SMALLEST_RATIO * max(deviations), SMALLEST_DEVIATION)
    sigmas = [deviation if deviation > floor else floor for deviation in deviations]
    lowest = max([mean - REACH * sigma for mean, sigma in zip(means, sigmas, strict=True)])
    alive = [k for k in range(count) if means[k] + REACH * sigmas[k] > lowest]
    if len(alive) == count > 1:
        shares = _integrate(means, sigmas, lowest)
        total = sum(shares)
        return [share / total for share in shares]
    result = [0.0] * count
    if len(alive) == 1:
        result[alive[0]] = 1.0
        return result
    among = best_probabilities([means[k] for k in alive], [sigmas[k] for k in alive])
    for k, share in zip(alive, among, strict=True):
        result[k] = share
    return result


def _integrate(mu: Sequence[float], sigma: Sequence[float], lowest: float) -> list[float]:
    """Each value's integral, up to one common factor. Arrays have shape (values, nodes); z is reused in place."""
    x, weight = _grid(mu, sigma, lowest)
    center, scale = np.array([mu, sigma])[:, :, None]
    z = (x - center) / scale
    below = ndtr(z)
    all_below = np.multiply.reduce(below, axis=0)
    all_below *= weight
    # Far below a narrow Normal its Φ is 0, and so is the product: 0 / tiny is 0, 0 / 0 would be no number.
    np.maximum(below, _TINY, out=below)
    z *= z
    z *= -0.5
    np.exp(z, out=z)
    z /= below
    integrals: list[float] = (z @ all_below).tolist()
    return [integral / deviation for integral, deviation in zip(integrals, sigma, strict=True)]


def _grid(mu: Sequence[float], sigma: Sequence[float], lowest: float) -> tuple[Floats, Floats]:
    """Nodes and weights from `lowest` to the highest reach: panels of the narrowest Normal first, wider in the gaps."""
    x: list[float] = []
    weight: list[float] = []
    gaps = [(lowest, max([m + REACH * s for m, s in zip(mu, sigma, strict=True)]))]
    for s, m in sorted(zip(sigma, mu, strict=True)):
        left, right = m - REACH * s, m + REACH * s
        rest: list[tuple[float, float]] = []
        for start, end in gaps:
            a, b = max(start, left), min(end, right)
            if a >= b:
                rest.append((start, end))
                continue
            # A whole Normal has 6 panels, and not 7 if its ends were rounded: that would move p by some 1e-6.
            count = max(math.ceil((b - a) / (PANEL * s) - ROUNDING), 1)
            width = (b - a) / count
            for i in range(count):
                first = a + width * i
                x += (
                    first + width * _NODE_0,
                    first + width * _NODE_1,
                    first + width * _NODE_2,
                    first + width * _NODE_3,
                )
            weight += (width * _WEIGHT_0, width * _WEIGHT_1, width * _WEIGHT_2, width * _WEIGHT_3) * count
            if start < a:
                rest.append((start, a))
            if b < end:
                rest.append((b, end))
        gaps = rest
        if not gaps:
            break
    return np.array(x), np.array(weight)
