"""A log with models of its outcomes, fitted once for all questions about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.ope.logged import Columns, Logged, columns
from bandit.ope.modelled import Modelled, modelled
from bandit.ope.side import Side, side_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A log with what all questions about it have in common.

    `known` is its decisions with models of their outcomes, and the side of what was logged; None without a decision.
    """

    data: Columns
    left_out: Mapping[str, int]
    known: tuple[Modelled, Side] | None


def fit(log: Sequence[Logged], models: Sequence[str], probabilities: Floats, now: float) -> Fitted:
    """Prepare a log for questions; `probabilities` are those of `models`, sorted by name, in each numbered choice."""
    data, left_out = columns(log, models, probabilities, now)
    if not len(data.arm):
        return Fitted(data, left_out, None)
    each = modelled(data)
    return Fitted(each.data, left_out, (each, side_of(each, probabilities)))
