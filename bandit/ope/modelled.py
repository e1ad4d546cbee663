"""Decisions with models of their outcomes: what all questions to a log start from."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CELL_WEIGHT, SPREAD_WEIGHT, Figure
from bandit.ope.logged import Columns, Integers, scoring_rate

Floats = NDArray[np.float64]

FOLDS = 5
SMALLEST_SCALE = 1e-24
OUTCOMES = (Figure.QUALITY, Figure.COST, Figure.SECONDS, Figure.SUCCESS)
"""The figures that are seen, in the order of arrays that have a row for each. Utility is composed of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Modelled:
    """Decisions in the order of their groups, fold and class, which m depends on; arrays have a row per outcome.

    `seen` is 1/ρ if the outcome is known, else 0; `expected` is m, of shape (outcomes, groups, models); `residual` is
    what m did not predict, times `seen`, and `products` sums its products by class and chosen model, of shape
    (outcomes, outcomes, classes, models). `scale` is the mean of m² by model, and `failing` that of 1 - m of success.

    `places` are those of the chosen models in probabilities by choice, flattened, and `chances` the logged ones there.
    Group g has the decisions from `bounds[g]` to `bounds[g + 1]`. `drawn` counts the decisions of each class that were
    drawn from each choice, shape (classes, choices), and `chosen` those by the chosen model, shape (classes, models).
    """

    data: Columns
    bounds: tuple[int, ...]
    places: Integers
    chances: Floats
    value: Floats
    seen: Floats
    expected: Floats
    residual: Floats
    products: Floats
    scale: Floats
    failing: Floats
    drawn: Floats
    chosen: Floats

    def spread(self, squares: Floats, scale: Floats) -> Floats:
        """The mean of a squared residual by class and model, from its sums, leaning on what `scale` lets expect."""
        usual = (scale + SMALLEST_SCALE) * float(squares.sum())
        usual /= float(self.chosen.sum(axis=0) @ (scale + SMALLEST_SCALE))
        spread: Floats = (squares + SPREAD_WEIGHT * usual) / (self.chosen + SPREAD_WEIGHT)
        return spread


def modelled(data: Columns) -> Modelled:
    """Fit the models of one decision's outcomes or more."""
    count, tasks, choices = len(data.arm), len(data.tasks), len(data.probabilities)
    fold = np.arange(count) % FOLDS
    order = np.argsort(fold * tasks + data.task, kind="stable")
    data, fold = _in_order(data, order), fold[order]
    sizes = np.bincount(fold * tasks + data.task, minlength=FOLDS * tasks)
    value = np.array([data.score, data.cost_usd, data.seconds, 1.0 - data.failed])
    seen = np.ones_like(value)
    seen[0] = np.where(data.failed > 0.0, 1.0, data.scored / scoring_rate(data)[data.task, data.arm])
    expected = np.array([_predict(data, fold, one, known) for one, known in zip(value, seen, strict=True)])
    residual = seen * (value - expected[:, fold * tasks + data.task, data.arm])
    squares = expected**2
    return Modelled(
        data=data,
        bounds=(0, *np.cumsum(sizes).tolist()),
        places=(places := data.choice * len(data.models) + data.arm),
        chances=data.probabilities.take(places),
        value=value,
        seen=seen,
        expected=expected,
        residual=residual,
        products=np.array([[data.cells(one * other) for other in residual] for one in residual]),
        scale=sizes @ squares / count,
        failing=sizes @ (1.0 - expected[-1]) ** 2 / count,
        drawn=np.bincount(data.task * choices + data.choice, minlength=tasks * choices)
        .reshape(tasks, choices)
        .astype(np.float64),
        chosen=data.cells(np.ones(count)),
    )


def _in_order(data: Columns, order: Integers) -> Columns:
    """The same decisions in another order."""
    shared = {"models", "tasks", "probabilities"}
    names = [each.name for each in fields(data) if each.name not in shared]
    return replace(data, **{name: getattr(data, name)[order] for name in names})


def _predict(data: Columns, fold: Integers, outcome: Floats, seen: Floats) -> Floats:
    """m: the mean outcome of each model in each fold's classes, shrunk, from the other folds."""
    expected: list[Floats] = []
    for one in range(FOLDS):
        known = np.where(fold == one, 0.0, seen)
        number, total = data.cells(known), data.cells(known * outcome)
        overall = total.sum() / max(number.sum(), 1.0)
        model = (total.sum(axis=0) + CELL_WEIGHT * overall) / (number.sum(axis=0) + CELL_WEIGHT)
        expected.append((total + CELL_WEIGHT * model) / (number + CELL_WEIGHT))
    return np.concatenate(expected)
