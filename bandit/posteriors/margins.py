"""Sums of cells over classes, arms or all of them: products with vectors of ones, which cost half of what sums do."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def over_tasks(cells: Floats) -> Floats:
    """The sums over the last axis."""
    sums: Floats = cells.dot(ones(cells.shape[-1]))
    return sums


def over_arms(cells: Floats) -> Floats:
    """The sums over the first of two axes."""
    sums: Floats = ones(len(cells)).dot(cells)
    return sums


def over_cells(cells: Floats) -> list[float]:
    """The sums over the last two of three axes."""
    sums: list[float] = over_tasks(cells.reshape(len(cells), -1)).tolist()
    return sums


@lru_cache(maxsize=1_024)
def ones(length: int) -> Floats:
    """A vector of ones, which can't be changed."""
    vector = np.ones(length)
    vector.flags.writeable = False
    return vector
