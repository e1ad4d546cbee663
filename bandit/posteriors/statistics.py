"""Reads statistics: rows of sums become one dense array, faded to one instant; broken rows are reported, not used."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import is_not
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.prompt import PAIR_SIGNALS, PART_SIGNALS
from bandit.posteriors.quality import WINDOWS
from bandit.quick import quick_dataclass
from bandit.statistics import ANY_TASK, Signal, StatisticKey, Sums

Floats = NDArray[np.float64]

SIGNALS: tuple[Signal, ...] = tuple(Signal)
_PLACE: Mapping[Signal, int] = {signal: place for place, signal in enumerate(SIGNALS)}
LATENCIES = (Signal.FIRST_TOKEN, Signal.PER_TOKEN, Signal.TOTAL)
_MAY_BE_NEGATIVE = {*LATENCIES, Signal.JUDGE_DIFFERENCE}


def _block(signals: Sequence[Signal]) -> slice:
    """Where signals stand that `Signal` lists one after the other: a slice is a view, where a list would copy."""
    first = _PLACE[signals[0]]
    if SIGNALS[first : first + len(signals)] != tuple(signals):
        raise ValueError(f"{signals} must stand side by side in Signal")
    return slice(first, first + len(signals))


_TIMES = _block(LATENCIES)
_PARTS = _block(PART_SIGNALS)
_PAIRS = _block(tuple(PAIR_SIGNALS.values()))
_WINDOWS = _block(WINDOWS)

_LARGEST_VALUES: Mapping[Signal, float] = {
    **dict.fromkeys(LATENCIES, 50.0),
    Signal.COMPLETION_TOKENS: 1e9,
    **dict.fromkeys((*PART_SIGNALS, *PAIR_SIGNALS.values()), 1e6),
    Signal.COST: 1e6,
}
"""Largest mean of a signal's observations; a row beyond it is broken. Scores have room for corrections under way."""
OTHER_LARGEST_VALUE = 1e3
LARGEST_WEIGHT, SMALLEST_WEIGHT = 1e15, 1e-9
"""A row that weighs less than the smallest weight has faded away and counts as absent."""
SMALLEST_HALF_LIFE_SECONDS = 1e-6
LARGEST_INSTANT = 1e12
ROUNDING = 1e-9
"""Sums below zero by up to this are what rounding leaves of a corrected observation."""


def _bounds(signal: Signal) -> tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]:
    """Lowest and highest instant, half-life, weight, total and squares of a sound row: per unit of weight, and beyond.

    A weight of 0 is sound, as all of it was taken back, and so is an infinite half-life, which never fades.
    """
    value = _LARGEST_VALUES.get(signal, OTHER_LARGEST_VALUE)
    lowest = (-value, -ROUNDING) if signal in _MAY_BE_NEGATIVE else (0.0, -ROUNDING)
    return (
        ((0.0, 0.0, 0.0, lowest[0], 0.0), (0.0, 0.0, 0.0, value, value * value)),
        (
            (-LARGEST_INSTANT, SMALLEST_HALF_LIFE_SECONDS, -ROUNDING, -ROUNDING, -ROUNDING),
            (LARGEST_INSTANT, math.inf, LARGEST_WEIGHT, ROUNDING, ROUNDING * value),
        ),
    )


_BOUNDS: Floats = np.array([_bounds(signal) for signal in SIGNALS]).transpose(1, 2, 3, 0)
"""Shape (per unit of weight or beyond, lowest or highest, 5, signals)."""


@dataclass(frozen=True, slots=True)
class Table:
    """All sums of a router's arms at one instant; `signals` are those that there are rows of.

    `sums[field, signal, arm, task]` with the fields weight, total, squares. Task 0 is `ANY_TASK`; the last column is
    empty and stands for every task without statistics.
    """

    task_columns: Mapping[str, int]
    sums: Floats
    warnings: tuple[str, ...]
    signals: frozenset[Signal]
    rows: "Rows"

    def per_arm(self, signal: Signal) -> Floats:
        """Weight, total and squares per arm of a signal that is not kept by task: shape (3, arms)."""
        column: Floats = self.sums[:, _PLACE[signal], :, 0]
        return column

    def times(self) -> Floats:
        """Those of the latency signals, first token, per token, total: shape (3, 3, arms)."""
        column: Floats = self.sums[..., 0][:, _TIMES]
        return column

    def prompt_parts(self) -> Floats:
        """Those of the prompt's parts, in the order of `PromptParts`: shape (3, parts, arms)."""
        column: Floats = self.sums[..., 0][:, _PARTS]
        return column

    def prompt_pairs(self) -> Floats:
        """The weights of the pairs of parts, in the order of `PAIR_SIGNALS`: shape (pairs, arms)."""
        column: Floats = self.sums[0, ..., 0][_PAIRS]
        return column

    def per_task(self, signal: Signal) -> Floats:
        """Weight, total and squares per arm and task: shape (3, arms, tasks)."""
        cells: Floats = self.sums[:, _PLACE[signal]]
        return cells

    def windows(self) -> Floats:
        """Weight and total of the windows on quality, the longest first: shape (2, windows, arms, tasks)."""
        cells: Floats = self.sums[:2, _WINDOWS]
        return cells

    def column(self, task: str) -> int:
        """The column of a task; the empty last one for a task without statistics."""
        return self.task_columns.get(task, -1)


@quick_dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a table was read from, as arrays, so that the next one reads only those that are new or changed.

    `where` is where each row stands in a table: signal, arm (negative for rows of other routers and models) and column.
    `cells` are the places of those that are used, in all three fields of the table.
    """

    keys: list[StatisticKey]
    values: list[Sums]
    where: NDArray[np.int64]
    own: NDArray[np.bool_]
    number: Floats  # instant, half-life, weight, total, squares: shape (5, rows)
    sound: NDArray[np.bool_]
    all_usable: bool  # all are own and sound
    cells: NDArray[np.int64]
    present: frozenset[Signal]


_NO_TASKS: Mapping[str, int] = MappingProxyType({})
_NO_ROWS = Rows(
    keys=[],
    values=[],
    where=np.empty((3, 0), dtype=np.int64),
    own=np.empty(0, dtype=np.bool_),
    number=np.empty((5, 0)),
    sound=np.empty(0, dtype=np.bool_),
    all_usable=True,
    cells=np.empty(0, dtype=np.int64),
    present=frozenset(),
)


def read(
    router_id: str,
    arm_rows: Mapping[str, int],
    sums: Mapping[StatisticKey, Sums],
    at: float,
    named: Collection[str] = (),
    former: Table | None = None,
) -> Table:
    """The sums of the arms in `arm_rows` at the instant `at`; rows of other routers and models are skipped.

    There is a column for each task that has statistics or is `named`. `former` is an earlier table of the same arms.

    A row that is not finite, negative or lacks a value counts as absent (prior only) and gives a warning, never an
    exception: one broken row must not stop a router. A row from a later instant than `at` is taken as it is.
    """
    keys, values = list(sums), list(sums.values())
    known, before = _NO_ROWS, _NO_TASKS
    if former is not None and former.rows.keys == keys[: len(former.rows.keys)]:
        known, before = former.rows, former.task_columns
    new = keys[len(known.keys) :]
    tasks, names = before, {key[2] for key in new}
    names.update(named)
    names.add(ANY_TASK)
    if not before.keys() >= names:
        names.update(before)
        tasks = {task: column for column, task in enumerate(sorted(names))}  # that of no task is the first
    moved = None if tasks is before else np.array([tasks[task] for task in before], dtype=np.int64)
    places = [
        (_PLACE[signal], arm_rows.get(model_id, -1) if router == router_id else -1, tasks[task])
        for router, model_id, task, signal in new
    ]
    rows = _updated(known, keys, values, places, moved, len(arm_rows), len(tasks) + 1)
    shape = (3, len(SIGNALS), len(arm_rows), len(tasks) + 1)
    warnings: tuple[str, ...] = ()
    number = rows.number
    if not rows.all_usable:
        warnings = tuple(_warning(keys[i], values[i]) for i in np.flatnonzero(rows.own & ~rows.sound))
        number = number[:, rows.own & rows.sound]
    # Clocks of replicas differ: a row from the future would grow if it were brought back to `at`.
    fade = np.exp2(np.minimum(number[0] - at, 0.0) / number[1])
    fade *= number[2] * fade > SMALLEST_WEIGHT
    dense = np.zeros(math.prod(shape))
    dense[rows.cells] = (number[2:] * fade).ravel()  # by one index, which costs a quarter of a slice and an index
    return Table(tasks, dense.reshape(shape), warnings, rows.present, rows)


def _updated(
    former: Rows,
    keys: list[StatisticKey],
    values: list[Sums],
    places: Sequence[tuple[int, int, int]],
    moved: NDArray[np.int64] | None,
    arms: int,
    width: int,
) -> Rows:
    """The former rows with other values, and those at new `places`; `moved` are the new columns of former ones."""
    start = len(former.keys)
    changed = [*compress(range(start), map(is_not, values, former.values)), *range(start, len(keys))]
    if not changed and moved is None:
        return former
    where, own, present, number, sound = former.where, former.own, former.present, former.number, former.sound
    if moved is not None:
        where = np.array([where[0], where[1], moved.take(where[2])])
    if places:
        where = np.concatenate([where, np.array(places).T], axis=1)
        own = where[1] >= 0
        present |= {SIGNALS[signal] for signal, arm, _ in places if arm >= 0}
        number = np.concatenate([number, np.empty((5, len(places)))], axis=1)
        sound = np.concatenate([sound, np.empty(len(places), dtype=np.bool_)])
    elif changed:
        number = number.copy()
    all_usable, cells = former.all_usable, former.cells
    if changed:
        some, at = _numbers([values[i] for i in changed]), np.array(changed)
        some_sound = _sound(some, where[0].take(at))
        number[:, at] = some
    if places or moved is not None or not (all_usable and np.count_nonzero(some_sound) == len(changed)):
        if changed:
            sound = sound.copy()
            sound[at] = some_sound
        usable = own & sound
        all_usable = bool(usable.all())
        signal, arm, column = where[:, usable]
        cells = _cells((signal * arms + arm) * width + column, len(SIGNALS) * arms * width)
    return Rows(keys, values, where, own, number, sound, all_usable, cells, present)


def _cells(place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.concatenate([place, place + size, place + 2 * size])


def _numbers(values: Sequence[Sums]) -> Floats:
    flat = [part for row in values for part in (row.at, row.half_life, row.weight, row.total, row.squares)]
    number: Floats = np.array(flat, dtype=np.float64).reshape(-1, 5).T
    return number


def _sound(number: Floats, signals: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows lie within the bounds of their signals; comparisons with NaN are false."""
    by_weight, beyond = _BOUNDS.take(signals, axis=3)
    lowest, highest = by_weight * np.minimum(np.maximum(number[2], 0.0), LARGEST_WEIGHT) + beyond
    sound: NDArray[np.bool_] = ((number >= lowest) & (number <= highest)).all(axis=0)
    return sound


def _warning(key: StatisticKey, row: Sums) -> str:
    about = f"{key.model_id} {key.signal}" + (f" for {key.task!r}" if key.task else "")
    return (
        f"{about}: the row (weight {row.weight}, total {row.total}, squares {row.squares}, half-life {row.half_life}) "
        "is broken and ignored: prior only"
    )
