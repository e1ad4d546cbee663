"""A log with models of its outcomes, fitted once for all questions about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CELL_WEIGHT, Figure
from bandit.ope.logged import Columns, Logged, columns, scoring_rate

Floats = NDArray[np.float64]

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One figure of every decision, with what does not depend on the target.

    `seen` is 1/ρ if the outcome is known, else 0; `expected` is m, of shape (decisions, models); `residual` is what m
    did not predict, times `seen`.
    """

    value: Floats
    seen: Floats
    expected: Floats
    residual: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A log with the models of its outcomes: what all questions about it have in common."""

    data: Columns
    left_out: Mapping[str, int]
    outcomes: Mapping[Figure, Outcome]


def fit(log: Sequence[Logged], models: Sequence[str], probabilities: Floats, now: float) -> Fitted:
    """Prepare a log for questions; `probabilities` are those of `models`, sorted by name, in each numbered choice."""
    data, left_out = columns(log, models, probabilities, now)
    if not len(data.arm):
        return Fitted(data, left_out, {})
    everywhere = np.ones(len(data.arm))
    seen = np.where(data.failed > 0.0, 1.0, data.scored / data.of_chosen(scoring_rate(data)[data.task]))
    outcomes = {
        Figure.QUALITY: _outcome(data, data.score, seen),
        Figure.COST: _outcome(data, data.cost_usd, everywhere),
        Figure.SECONDS: _outcome(data, data.seconds, everywhere),
        Figure.SUCCESS: _outcome(data, 1.0 - data.failed, everywhere),
    }
    return Fitted(data, left_out, outcomes)


def _outcome(data: Columns, value: Floats, seen: Floats) -> Outcome:
    expected = _predict(data, value, seen)
    return Outcome(value, seen, expected, seen * (value - data.of_chosen(expected)))


def _predict(data: Columns, outcome: Floats, seen: Floats) -> Floats:
    """m: the mean outcome of each model in each decision's class, shrunk, from the folds that do not hold it."""
    fold = np.arange(len(outcome)) % FOLDS
    expected = np.zeros((len(outcome), len(data.models)))
    for one in range(FOLDS):
        known = np.where(fold == one, 0.0, seen)
        number, total = data.cells(known), data.cells(known * outcome)
        overall = total.sum() / max(number.sum(), 1.0)
        model = (total.sum(axis=0) + CELL_WEIGHT * overall) / (number.sum(axis=0) + CELL_WEIGHT)
        cell = (total + CELL_WEIGHT * model) / (number + CELL_WEIGHT)
        expected[fold == one] = cell[data.task[fold == one]]
    return expected
