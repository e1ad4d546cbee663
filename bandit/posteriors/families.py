"""Families of classes: a call site's statistics back off to those of its built-in class, and these to the arm's.

A cell's deviation from arm + class has two parts of one variance, 1/κ in all: what its family has in common, and its
own. The others of the family tell of the first part: a call site without scores starts from what they know, and one
with many is known by its own. Without others both parts are the one deviation of `bandit.posteriors.quality`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IN_COMMON = 0.5
"""The part of the variance of a cell's deviation that its family has in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Families:
    """Which columns of the statistics are of one family: `members[i, j]` is 1 if i and j are, and differ.

    They follow from the class that each call site backs off to, and the columns.
    """

    parents: Mapping[str, str]
    task_columns: Mapping[str, int]
    members: Floats

    def of_others(self, cells: Floats) -> Floats:
        """The sums over the others of each cell's family; cells have shape (…, arms, tasks)."""
        sums: Floats = cells @ self.members
        return sums

    def deviations(self, n: Floats, rest: Floats, kappa: Floats | float) -> tuple[Floats, Floats]:
        """What the others say of a cell's deviation from arm + class, and the strength of its prior by that.

        `n` are weights of the scores, `rest` what they add up to beyond the weights times arm + class.
        """
        own_kappa, common_kappa = kappa / (1.0 - IN_COMMON), kappa / IN_COMMON
        # The mean deviation of another cell has the variance 1/n + 1/own_kappa: their precisions add up.
        lean = own_kappa / (own_kappa + n)
        precision = common_kappa + self.of_others(n * lean)
        return self.of_others(rest * lean) / precision, 1.0 / (1.0 / precision + 1.0 / own_kappa)


def families(
    parents: Mapping[str, str], task_columns: Mapping[str, int], former: Families | None = None
) -> Families | None:
    """The families of a table's columns, whose last one is empty, by the class that each call site backs off to.

    They are the `former` ones if it is of the same objects.
    """
    if not parents:
        return None
    if former is not None and former.parents is parents and former.task_columns is task_columns:
        return former
    root = np.arange(len(task_columns) + 1)
    for task, parent in parents.items():
        root[task_columns[task]] = task_columns[parent]
    members = (root[:, None] == root).astype(np.float64)
    np.fill_diagonal(members, 0.0)
    return Families(parents, task_columns, members)
