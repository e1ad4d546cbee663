"""Logged decisions, the first draw of each request, as rows and as arrays."""

from collections import Counter
from collections.abc import Sequence
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

    `choice` is the number of what it was drawn from; `score` is the mean over sources in [0, 1], or None. `weight` is
    what the score weighs: 1/n if it is that of an episode of n completions.
    """

    at: float  # seconds since the epoch
    task: str
    model_id: str
    choice: int
    randomised: bool
    answered: bool
    cost_usd: float
    seconds: float
    score: float | None = None
    scored_at: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The same as arrays of n decisions. `models` are sorted by name; one that could not be chosen has probability 0.

    What is a function of the choice alone has a row per choice, which `choice` numbers.
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    task: Integers
    arm: Integers
    choice: Integers
    probabilities: Floats  # (choices, models)
    failed: Floats
    scored: Floats  # what the score weighs; 0 without one
    score: Floats  # 0 without a score
    cost_usd: Floats
    seconds: Floats

    def cells(self, values: Floats) -> Floats:
        """Sums of a value per decision by task and chosen model."""
        shape = (len(self.tasks), len(self.models))
        sums = np.bincount(self.task * shape[1] + self.arm, weights=values, minlength=shape[0] * shape[1])
        return sums.reshape(shape).astype(np.float64)


def columns(
    log: Sequence[Logged], models: Sequence[str], probabilities: Floats, now: float
) -> tuple[Columns, dict[str, int]]:
    """Arrays of the decisions that can be used, and how many can't for which reason.

    `probabilities` are those of `models`, sorted by name, in each choice. A decision is too young if its score may
    still come.
    """
    place = {model: k for k, model in enumerate(models)}
    delays = [one.scored_at - one.at for one in log if one.scored_at is not None and one.score is not None]
    wait = float(np.quantile(delays, LATEST_SCORES)) if delays else 0.0
    chance = probabilities.tolist()
    used: list[Logged] = []
    left_out: Counter[str] = Counter()
    for one in log:
        if not one.randomised:
            left_out["not randomised: a sticky conversation, a redraw, or an experiment's fixed part"] += 1
        elif one.at > now - wait:
            left_out["too young: its score may still come"] += 1
        elif one.model_id not in place or chance[one.choice][place[one.model_id]] <= 0.0:
            left_out["the chosen model has no logged probability"] += 1
        else:
            used.append(one)
    tasks = tuple(sorted({one.task for one in used}))
    task_at = {task: g for g, task in enumerate(tasks)}
    scored = [one.answered and one.score is not None for one in used]
    return Columns(
        models=tuple(models),
        tasks=tasks,
        task=np.array([task_at[one.task] for one in used], dtype=np.int64),
        arm=np.array([place[one.model_id] for one in used], dtype=np.int64),
        choice=np.array([one.choice for one in used], dtype=np.int64),
        probabilities=probabilities,
        failed=np.array([float(not one.answered) for one in used]),
        scored=np.array([one.weight if known else 0.0 for one, known in zip(used, scored, strict=True)]),
        score=np.array([one.score or 0.0 if known else 0.0 for one, known in zip(used, scored, strict=True)]),
        cost_usd=np.array([one.cost_usd for one in used]),
        seconds=np.array([one.seconds for one in used]),
    ), dict(left_out)


def scoring_rate(data: Columns) -> Floats:
    """ρ: how often answers are scored, per task and model, shrunk to the router's rate; shape (tasks, models)."""
    answers, scores = data.cells(1.0 - data.failed), data.cells(data.scored)
    overall = scores.sum() / max(answers.sum(), 1.0)
    rate: Floats = np.maximum((scores + RATE_WEIGHT * overall) / (answers + RATE_WEIGHT), SMALLEST_RATE)
    return rate


def check_distributions(target: Floats) -> None:
    """Raises ValueError if a row of a target's probabilities is no distribution."""
    with np.errstate(invalid="ignore"):
        wrong = ~((target >= 0.0).all(axis=1) & (np.abs(target.sum(axis=1) - 1.0) <= ROUNDING))
    if wrong.any():
        raise ValueError(f"target: probabilities must be 0 or more and sum to 1, not {target[np.argmax(wrong)]}")
