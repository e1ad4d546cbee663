"""Utility from flat statistics, one quality per arm without classes or hierarchy: what the textbook policies see."""

import numpy as np
from numpy.typing import NDArray

from bandit.types import Signal
from bandit.value import Value

Floats = NDArray[np.float64]


def flat_scores(value: Value) -> tuple[Floats, Floats, Floats]:
    """Number, sum and sum of squares of each candidate's scores, all classes together."""
    weight, total, squares = value.snapshot.table.per_task(Signal.QUALITY).sum(axis=2)[:, value.rows]
    return weight, np.clip(total, 0.0, weight), squares


def utility_usd(value: Value, quality: Floats) -> Floats:
    """Expected utility in dollars were the candidates' qualities these; cost and latency as they are learned."""
    objective = value.objective
    gain = value.success * (objective.quality_usd * quality * value.validity + objective.failure_usd)
    spent = value.price_multiplier * value.cost_usd + objective.second_usd * value.seconds
    result: Floats = gain - objective.failure_usd - spent
    return result
