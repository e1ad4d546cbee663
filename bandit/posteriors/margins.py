"""Sums of cells, shape (…, arms, tasks), over tasks, arms or both: products of matrices cost half of what sums do.

With more axes before these two (several routers, several windows) each place of theirs is summed by itself.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELLS = 2
"""The axes of cells: arms and tasks."""


def over_tasks(cells: Floats) -> Floats:
    """The sums over the last axis."""
    vector = ones(cells.shape[-1])
    sums: Floats = cells.dot(vector) if cells.ndim == CELLS else cells @ vector
    return sums


def over_arms(cells: Floats) -> Floats:
    """The sums over the arms."""
    return of_arms(ones(cells.shape[-2]), cells)


def of_tasks(cells: Floats, by_task: Floats) -> Floats:
    """Per arm the sum of its cells, each times a factor of its task, shape (…, tasks)."""
    sums: Floats = cells.dot(by_task) if cells.ndim == CELLS else (cells @ by_task[..., None])[..., 0]
    return sums


def of_arms(by_arm: Floats, cells: Floats) -> Floats:
    """Per task the sum of its cells, each times a factor of its arm, shape (…, arms)."""
    sums: Floats = by_arm.dot(cells) if cells.ndim == CELLS else (by_arm[..., None, :] @ cells)[..., 0, :]
    return sums


def over_cells(cells: Floats) -> "list[float] | Floats":
    """The sums over arms and tasks per place of the first axis: numbers, or with more axes as `product` gives them."""
    if cells.ndim > CELLS + 1:
        return np.add.reduce(cells, axis=(-2, -1), keepdims=True)
    sums: list[float] = over_tasks(cells.reshape(len(cells), -1)).tolist()
    return sums


def product(one: Floats, other: Floats) -> Floats | float:
    """The sum of the products of two cells each: a number, or with more axes one for all cells of each place."""
    if one.ndim == CELLS:
        return float(np.vdot(one, other))
    return np.add.reduce(one * other, axis=(-2, -1), keepdims=True)


@lru_cache(maxsize=1_024)
def ones(length: int) -> Floats:
    """A vector of ones, which can't be changed."""
    vector = np.ones(length)
    vector.flags.writeable = False
    return vector
