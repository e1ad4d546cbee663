"""Adds up sums by cell, as the roll-ups have them."""

from collections.abc import Hashable, Mapping, Sequence
from operator import add
from typing import TypeVar

Cell = TypeVar("Cell", bound=Hashable)


def add_cells(sums: dict[Cell, Sequence[float]], more: Mapping[Cell, Sequence[float]]) -> None:
    """Add the numbers of each cell to those of the same cell in `sums`."""
    for cell, numbers in more.items():
        held = sums.get(cell)
        sums[cell] = numbers if held is None else list(map(add, held, numbers))
