"""Sums of first draws by day, class and model, and where a model could be drawn, as far as they tell."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPECTED_DRAWS = 5.0
"""A model that was not drawn, although so many draws were to be expected, is taken for one that could not be."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums of first draws, of shape (names, days, classes, models): see `storage.tables.fixed_sums`."""

    days: tuple[int, ...]
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    names: tuple[str, ...]
    cube: Floats

    @property
    def values(self) -> dict[str, Floats]:
        """Those of each name, of shape (days, classes, models)."""
        return dict(zip(self.names, self.cube, strict=True))

    @classmethod
    def of(cls, names: Sequence[str], rows: Collection[tuple[int, str, str, Sequence[float]]]) -> "Sums":
        """Arrange rows of (day, class, model, sums in the order of `names`)."""
        days = {day: place for place, day in enumerate(sorted({row[0] for row in rows}))}
        tasks = {task: place for place, task in enumerate(sorted({row[1] for row in rows}))}
        models = {model_id: place for place, model_id in enumerate(sorted({row[2] for row in rows}))}
        cube = np.zeros((len(names), len(days), len(tasks), len(models)))
        if rows:
            places = np.array([(days[row[0]], tasks[row[1]], models[row[2]]) for row in rows]).T
            np.add.at(cube, (slice(None), *places), np.array([row[3] for row in rows]).T)
        return cls(tuple(days), tuple(tasks), tuple(models), tuple(names), cube)


def possible(values: Mapping[str, Floats], arm: int) -> Floats:
    """1.0 for each day and class in which the model could be drawn, as far as its draws tell, else 0.0."""
    drawn, all_ = values["requests"][:, :, arm], values["requests"].sum(axis=2)
    possible = np.ones_like(drawn)
    # The harmonic mean of p: a model that is drawn seldom now may have been drawn often at first.
    weight, squares = values["w_requests"][:, :, arm].sum(axis=0), values["ww_requests"][:, :, arm].sum(axis=0)
    usual = float(weight.sum()) / float(squares.sum())
    for task in range(drawn.shape[1]):
        expected = weight[task] / squares[task] if squares[task] > 0.0 else usual
        start, absent = 0, 0.0
        for day in range(drawn.shape[0] + 1):
            if day == drawn.shape[0] or drawn[day, task] > 0.0:
                if absent * expected >= EXPECTED_DRAWS:
                    possible[start:day, task] = 0.0
                start, absent = day + 1, 0.0
            else:
                absent += float(all_[day, task])
    return possible
