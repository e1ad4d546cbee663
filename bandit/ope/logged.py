"""Logged decisions, the first draw of each request, as rows and as arrays."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LATEST_SCORES = 0.95
"""Decisions younger than this quantile of the delay of scores may still be scored and are left out."""
RATE_WEIGHT = 10.0
"""The router's rate of scoring is worth this many answers of one model in one class."""
SMALLEST_RATE = 1e-3
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Logged:
    """The first draw of one request and what came of it.

    `probabilities` are the policy's, by model, after all steps; `score` is the mean over sources in [0, 1], or None.
    `weight` is what the score weighs: 1/n if it is that of an episode of n completions.
    """

    at: float  # seconds since the epoch
    task: str
    model_id: str
    probabilities: Mapping[str, float]
    randomised: bool
    answered: bool
    cost_usd: float
    seconds: float
    score: float | None = None
    scored_at: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The same as arrays of n decisions and K models, sorted by name; models that could not be chosen have 0."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    task: Integers
    arm: Integers
    logged: Floats  # (n, K)
    target: Floats  # (n, K)
    failed: Floats
    scored: Floats  # what the score weighs; 0 without one
    score: Floats  # 0 without a score
    cost_usd: Floats
    seconds: Floats

    def of_chosen(self, values: Floats) -> Floats:
        """The chosen model's entry of each row of (n, K)."""
        chosen: Floats = values[np.arange(len(self.arm)), self.arm]
        return chosen

    def cells(self, values: Floats) -> Floats:
        """Sums of a value per decision by task and chosen model."""
        sums = np.zeros((len(self.tasks), len(self.models)))
        np.add.at(sums, (self.task, self.arm), values)
        return sums


def settled(log: Sequence[Logged], now: float) -> tuple[list[int], dict[str, int]]:
    """The decisions that can be used, and how many can't for which reason."""
    delays = [one.scored_at - one.at for one in log if one.scored_at is not None and one.score is not None]
    wait = float(np.quantile(delays, LATEST_SCORES)) if delays else 0.0
    used: list[int] = []
    left_out: Counter[str] = Counter()
    for i, one in enumerate(log):
        if not one.randomised:
            left_out["not randomised: a sticky conversation or a redraw"] += 1
        elif one.at > now - wait:
            left_out["too young: its score may still come"] += 1
        elif one.probabilities.get(one.model_id, 0.0) <= 0.0:
            left_out["the chosen model has no logged probability"] += 1
        else:
            used.append(i)
    return used, dict(left_out)


def columns(log: Sequence[Logged], target: Sequence[Mapping[str, float]]) -> Columns:
    """Arrays of a log and a target's probabilities. Raises ValueError for a target that is no distribution."""
    models = tuple(sorted({model for one in (*(row.probabilities for row in log), *target) for model in one}))
    tasks = tuple(sorted({row.task for row in log}))
    model_at = {model: k for k, model in enumerate(models)}
    task_at = {task: g for g, task in enumerate(tasks)}
    return Columns(
        models=models,
        tasks=tasks,
        task=np.array([task_at[row.task] for row in log]),
        arm=np.array([model_at[row.model_id] for row in log]),
        logged=_matrix([row.probabilities for row in log], model_at),
        target=_distributions(_matrix(target, model_at)),
        failed=np.array([float(not row.answered) for row in log]),
        scored=np.array([row.weight if row.answered and row.score is not None else 0.0 for row in log]),
        score=np.array([row.score if row.answered and row.score is not None else 0.0 for row in log]),
        cost_usd=np.array([row.cost_usd for row in log]),
        seconds=np.array([row.seconds for row in log]),
    )


def scoring_rate(data: Columns) -> Floats:
    """ρ: how often answers are scored, per task and model, shrunk to the router's rate; shape (tasks, models)."""
    answers, scores = data.cells(1.0 - data.failed), data.cells(data.scored)
    overall = scores.sum() / max(answers.sum(), 1.0)
    rate: Floats = np.maximum((scores + RATE_WEIGHT * overall) / (answers + RATE_WEIGHT), SMALLEST_RATE)
    return rate


def _matrix(rows: Sequence[Mapping[str, float]], model_at: Mapping[str, int]) -> Floats:
    matrix = np.zeros((len(rows), len(model_at)))
    for i, row in enumerate(rows):
        for model, p in row.items():
            matrix[i, model_at[model]] = p
    return matrix


def _distributions(matrix: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        wrong = ~((matrix >= 0.0).all(axis=1) & (np.abs(matrix.sum(axis=1) - 1.0) <= ROUNDING))
    if wrong.any():
        raise ValueError(f"target: probabilities must be 0 or more and sum to 1, not {matrix[np.argmax(wrong)]}")
    return matrix
