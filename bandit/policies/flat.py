"""Statistics without classes or hierarchy, one quality per arm, as textbook policies use them."""

import numpy as np
from numpy.typing import NDArray

from bandit.statistics import Signal
from bandit.utility import utility_usd
from bandit.value import Value

Floats = NDArray[np.float64]


def flat_scores(value: Value) -> tuple[Floats, Floats, Floats]:
    """Number, sum and sum of squares of each candidate's scores, all classes together."""
    weight, total, squares = value.snapshot.table.per_task(Signal.QUALITY).sum(axis=2)[:, value.rows]
    return weight, np.clip(total, 0.0, weight), squares


def flat_utility_usd(value: Value, quality: Floats) -> Floats:
    """Expected utility in dollars if the candidates' qualities were these; cost and latency as they are learned."""
    success, validity, cost_usd, seconds = np.array([value.success, value.validity, value.cost_usd, value.seconds])
    return utility_usd(
        value.objective,
        quality=success * validity * quality,
        failed=1.0 - success,
        cost_usd=cost_usd,
        seconds=seconds,
        price_multiplier=value.price_multiplier,
    )
