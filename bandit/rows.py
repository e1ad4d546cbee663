"""Reading statistics: rows of sums become one dense array, faded to one instant; broken rows are left out, loudly."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.types import ANY_TASK, Signal, StatisticKey, Sums

SIGNALS: tuple[Signal, ...] = tuple(Signal)
_COLUMN: dict[Signal, int] = {signal: column for column, signal in enumerate(SIGNALS)}
_POSITIVE = np.array(
    [signal not in {Signal.FIRST_TOKEN, Signal.PER_TOKEN, Signal.TOTAL, Signal.OUTCOMES} for signal in SIGNALS]
)
"""Signals whose total cannot be negative; latency totals are sums of logarithms."""
LARGEST = 1e30
ROUNDING = 1e-9
"""Sums below zero by no more than this are what fading and corrections leave of nothing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """All sums of a router's arms at one instant.

    `sums[signal, field, arm, task]` with the fields weight, total, squares. Task 0 is `ANY_TASK`; the last column is
    empty: the statistics of a task that nobody has asked for yet.
    """

    task_columns: Mapping[str, int]
    sums: Floats
    warnings: tuple[str, ...]

    def per_arm(self, signal: Signal) -> Floats:
        """Weight, total and squares per arm of a signal that is not kept by task: shape (3, arms)."""
        column: Floats = self.sums[_COLUMN[signal], :, :, 0]
        return column

    def per_task(self, signal: Signal) -> Floats:
        """Weight, total and squares per arm and task: shape (3, arms, tasks)."""
        cells: Floats = self.sums[_COLUMN[signal]]
        return cells

    def column(self, task: str) -> int:
        """The column of a task; the empty last one for a task without statistics."""
        return self.task_columns.get(task, -1)


def read(router_id: str, arm_rows: Mapping[str, int], sums: Mapping[StatisticKey, Sums], at: float) -> Table:
    """The sums of the arms in `arm_rows` at the instant `at`; rows of other routers and models are passed over.

    A row that is not finite, not positive or missing a value counts as absent (prior only) and makes a warning,
    never an exception. A row from a later instant than `at` is taken as it is: what is known does not un-fade.
    """
    keys = [key for key in sums if key[1] in arm_rows and key[0] == router_id]
    tasks = {task: column for column, task in enumerate(sorted({key[2] for key in keys} | {ANY_TASK}))}
    dense = np.zeros((len(SIGNALS), 3, len(arm_rows), len(tasks) + 1))
    if not keys:
        return Table(tasks, dense, ())
    rows = [sums[key] for key in keys]
    values = np.array([(row.at, row.half_life, row.weight, row.total, row.squares) for row in rows], dtype=np.float64)
    places = np.array([(_COLUMN[key[3]], arm_rows[key[1]], tasks[key[2]]) for key in keys])
    sound = _sound(values, places[:, 0])
    warnings: tuple[str, ...] = ()
    if not sound.all():
        warnings = tuple(_warning(keys[i], rows[i]) for i in np.flatnonzero(~sound))
        values, places = values[sound], places[sound]
    fade = np.exp2(-np.maximum(at - values[:, 0], 0.0) / values[:, 1])
    dense[places[:, 0], :, places[:, 1], places[:, 2]] = values[:, 2:] * fade[:, None]
    return Table(tasks, dense, warnings)


def _sound(values: Floats, signals: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows can be used. An infinite half-life is sound: it never fades."""
    with np.errstate(invalid="ignore"):
        numbers = values[:, 2:]
        sound: NDArray[np.bool_] = np.isfinite(values[:, 0]) & (values[:, 1] > 0.0)
        sound &= (np.abs(numbers) < LARGEST).all(axis=1) & (numbers[:, 0] > 0.0) & (numbers[:, 2] >= -ROUNDING)
        sound &= (numbers[:, 1] >= -ROUNDING) | ~_POSITIVE[signals]
    return sound


def _warning(key: StatisticKey, row: Sums) -> str:
    about = f"{key.model_id} {key.signal}" + (f" for {key.task!r}" if key.task else "")
    return (
        f"{about}: the row (weight {row.weight}, total {row.total}, squares {row.squares}, half-life {row.half_life}) "
        "is broken and ignored: prior only"
    )
