"""A log with models of its outcomes, fitted once for all questions about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CELL_WEIGHT, Figure
from bandit.ope.logged import Columns, Integers, Logged, columns, scoring_rate

Floats = NDArray[np.float64]

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One figure of every decision, with what does not depend on the target.

    `seen` is 1/ρ if the outcome is known, else 0; `expected` is m, of shape (groups, models); `residual` is what m did
    not predict, times `seen`.
    """

    value: Floats
    seen: Floats
    expected: Floats
    residual: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A log with the models of its outcomes: what all questions about it have in common.

    `group` numbers each decision's fold and class, which m depends on, and `group_sizes` counts their decisions.
    `drawn` counts the decisions of each class that were drawn from each choice, shape (classes, choices), and
    `chosen` those of each class by the chosen model, shape (classes, models).
    """

    data: Columns
    left_out: Mapping[str, int]
    outcomes: Mapping[Figure, Outcome]
    group: Integers
    group_sizes: Floats
    drawn: Floats
    chosen: Floats


def fit(log: Sequence[Logged], models: Sequence[str], probabilities: Floats, now: float) -> Fitted:
    """Prepare a log for questions; `probabilities` are those of `models`, sorted by name, in each numbered choice."""
    data, left_out = columns(log, models, probabilities, now)
    count, tasks, choices = len(data.arm), len(data.tasks), len(probabilities)
    group = (np.arange(count) % FOLDS) * tasks + data.task
    drawn = np.bincount(data.task * choices + data.choice, minlength=tasks * choices)
    return Fitted(
        data=data,
        left_out=left_out,
        outcomes=_outcomes(data, group) if count else {},
        group=group,
        group_sizes=np.bincount(group, minlength=FOLDS * tasks).astype(np.float64),
        drawn=drawn.reshape(tasks, choices).astype(np.float64),
        chosen=data.cells(np.ones(count)),
    )


def _outcomes(data: Columns, group: Integers) -> dict[Figure, Outcome]:
    everywhere = np.ones(len(data.arm))
    seen = np.where(data.failed > 0.0, 1.0, data.scored / scoring_rate(data)[data.task, data.arm])
    return {
        Figure.QUALITY: _outcome(data, group, data.score, seen),
        Figure.COST: _outcome(data, group, data.cost_usd, everywhere),
        Figure.SECONDS: _outcome(data, group, data.seconds, everywhere),
        Figure.SUCCESS: _outcome(data, group, 1.0 - data.failed, everywhere),
    }


def _outcome(data: Columns, group: Integers, value: Floats, seen: Floats) -> Outcome:
    expected = _predict(data, value, seen)
    return Outcome(value, seen, expected, seen * (value - expected[group, data.arm]))


def _predict(data: Columns, outcome: Floats, seen: Floats) -> Floats:
    """m: the mean outcome of each model in each fold's classes, shrunk, from the other folds."""
    fold = np.arange(len(outcome)) % FOLDS
    expected: list[Floats] = []
    for one in range(FOLDS):
        known = np.where(fold == one, 0.0, seen)
        number, total = data.cells(known), data.cells(known * outcome)
        overall = total.sum() / max(number.sum(), 1.0)
        model = (total.sum(axis=0) + CELL_WEIGHT * overall) / (number.sum(axis=0) + CELL_WEIGHT)
        expected.append((total + CELL_WEIGHT * model) / (number + CELL_WEIGHT))
    return np.concatenate(expected)
