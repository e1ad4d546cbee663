"""A preference of people for a model, as scores that it has in advance."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", float, NDArray[np.float64])


def preferred(mean: F, variance: F, weight: float) -> tuple[F, F]:
    """Mean and variance of a Beta posterior of quality after `weight` more scores of 1.

    Beta(α, β) has α + β = m(1 - m)/v - 1, and each score counts 1 there. So what the model's own scores say comes to
    outweigh the preference: after as many as it is worth, half of it is left.

    >>> mean, variance = preferred(0.6, 0.6 * 0.4 / 5.0, weight=16.0)  # Beta(2.4, 1.6) becomes Beta(18.4, 1.6)
    >>> round(mean, 6), round(variance, 6)
    (0.92, 0.003505)
    """
    size = mean * (1.0 - mean) / variance - 1.0
    after = (mean * size + weight) / (size + weight)
    return after, after * (1.0 - after) / (size + weight + 1.0)
