"""The utility of a request: what its answer is worth less what it costs, in dollars."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bandit.types import Objective

Floats = NDArray[np.float64]
F = TypeVar("F", float, Floats)


def utility_usd(
    objective: Objective,
    *,
    quality: F,
    failed: F,
    cost_usd: F,
    seconds: F,
    price_multiplier: float | F = 1.0,
) -> F:
    """U = Q·quality - F·failed - (1 + λ)·cost - w·seconds, in dollars; numbers, or arrays of one shape.

    Q, F and w are the objective's dollars for a perfect answer, a failure and a second; `price_multiplier` is 1 + λ,
    the shadow price of a dollar. `quality` is the expected score of the request, a failure counting as 0, and `failed`
    the probability of a failure, so each failure is charged once. U is linear: a mean of utilities is the utility of
    the means.

    >>> success, score = np.array([1.0, 0.9]), np.array([0.6, 0.8])
    >>> utility = utility_usd(
    ...     Objective(quality_usd=0.01, second_usd=0.001, failure_usd=0.005),
    ...     quality=success * score,
    ...     failed=1.0 - success,
    ...     cost_usd=np.array([0.001, 0.002]),
    ...     seconds=np.array([1.0, 2.0]),
    ... )
    >>> utility.round(6).tolist()
    [0.004, 0.0027]
    """
    worth = objective.quality_usd * quality - objective.failure_usd * failed
    utility: F = worth - price_multiplier * cost_usd - objective.second_usd * seconds
    return utility
