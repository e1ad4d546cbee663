"""Evidence beside a router's own scores: evaluations, whose sums are added to those of the statistics in a snapshot.

An evaluation's rows are scores of a source, `eval:NAME`. Their sums are kept apart from the statistics, per source,
model, task and signal, as they were at one instant, so that an evaluation can be withdrawn exactly, and a source can
weigh less than it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.statistics import Evidence, Signal
from bandit.types import HalfLives

Floats = NDArray[np.float64]

SIGNALS = (Signal.QUALITY, Signal.COMPLETION_TOKENS, Signal.COST)
"""What evaluations tell, in the order of the arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Sums of some sources as arrays, of shape (sources, signals, 3, arms, tasks); task 0 is that of no task.

    `sums` are as they were at `at`, one instant per source.
    """

    evidence: tuple[Evidence, ...]
    task_columns: Mapping[str, int]
    at: Floats
    sums: Floats

    def faded_to(self, at: float, half_lives: HalfLives) -> Floats:
        """The sums at an instant; a source from a later one is taken as it is."""
        age = np.maximum(at - self.at, 0.0)[:, None]
        seconds = np.array([half_lives.quality, half_lives.tokens, half_lives.tokens])
        faded: Floats = self.sums * np.exp2(-age / seconds)[:, :, None, None, None]
        return faded


def arrange(
    evidence: tuple[Evidence, ...],
    arm_rows: Mapping[str, int],
    task_columns: Mapping[str, int],
    former: Sources | None = None,
) -> Sources:
    """The arrays of these sources for a table's columns, whose last one is empty; `former` if it is the same."""
    if former is not None and former.evidence == evidence and former.task_columns == task_columns:
        return former
    sums = np.zeros((len(evidence), len(SIGNALS), 3, len(arm_rows), len(task_columns) + 1))
    for place, source in enumerate(evidence):
        for (model_id, task, signal), moments in source.sums.items():
            if model_id in arm_rows and signal in SIGNALS:
                sums[place, SIGNALS.index(signal), :, arm_rows[model_id], task_columns[task]] += moments
    return Sources(evidence, task_columns, np.array([source.at for source in evidence]), sums)


def tasks_of(evidence: Sequence[Evidence]) -> set[str]:
    """The tasks that any of the sources has evidence of."""
    return {task for source in evidence for _, task, _ in source.sums}
