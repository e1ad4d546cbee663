"""Evaluates logs whose probabilities stand beside them, as tests and benchmarks make them."""

from collections.abc import Mapping, Sequence

import numpy as np

from bandit.ope.estimators import Compared, compare
from bandit.ope.fitted import Fitted, fit
from bandit.ope.logged import Floats, Logged
from bandit.types import Objective

Shares = Sequence[Mapping[str, float]]


def compared(
    log: Sequence[Logged], probabilities: Shares, target: Shares, objective: Objective, now: float
) -> Compared:
    """Estimate a target's probabilities per choice, beside the logged ones."""
    fitted = fitted_of(log, probabilities, now, target)
    return compare(fitted, matrix(target, fitted.data.models), objective)


def fitted_of(log: Sequence[Logged], probabilities: Shares, now: float, target: Shares = ()) -> Fitted:
    """Prepare a log; `probabilities` are those of each numbered choice."""
    models = tuple(sorted({model for one in (*probabilities, *target) for model in one}))
    return fit(log, models, matrix(probabilities, models), now)


def matrix(rows: Shares, models: Sequence[str]) -> Floats:
    """Probabilities as an array of shape (choices, models)."""
    return np.array([[row.get(model, 0.0) for model in models] for row in rows]).reshape(len(rows), len(models))
