"""Compares activity with the ledger, and corrects it, while gateways serve."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import add

from sqlalchemy import Connection, Table, select, union

from storage.activity import COUNTS, KEPT_SECONDS, ActivityCounts, Cell
from storage.calendar import DAY, HOUR, MINUTE
from storage.cells import add_cells
from storage.database.addition import add_counts, note_changed_routers
from storage.database.engine import Database
from storage.database.numbers import mark_statistics_changed
from storage.errors import DatabaseUnavailable
from storage.maintenance.claim import claim_correction, read_corrections, waiting_for_others
from storage.maintenance.counting import COUNTED, count_requests
from storage.maintenance.missing import missing_rows
from storage.maintenance.retired import keeping_months, read_retired
from storage.pending_events import fold_pending, read_pending
from storage.tables import activity, activity_checkpoints, arms, attempts, decisions, scores

TOLERANCE = 1e-9
"""Absolute and relative tolerance of two sums that count as equal."""

MARGINS = {MINUTE: HOUR, HOUR: DAY}
"""Cells so close to the age at which they are deleted are not compared: clocks differ."""

REQUESTS_AT_ONCE = 1_000
"""Requests whose minutes are in memory at a time: most are of minutes that are deleted by now, and not compared."""

MOST_COMPARISONS = 10

Counts = Sequence[float]
"""Values of `COUNTS`."""


@dataclass(frozen=True, slots=True)
class ActivityDifference:
    """A cell that differs from the ledger. A cell that is not there has zeros."""

    cell: Cell
    kept: Counts
    counted: Counts

    def columns(self) -> dict[str, tuple[float, float]]:
        """The columns that differ, each with what is kept and what was counted."""
        both = zip(COUNTS, self.kept, self.counted, strict=True)
        return {name: (kept, counted) for name, kept, counted in both if not _is_close(kept, counted)}


class ActivityRebuild:
    """Makes activity equal to what the ledger and the checkpoint add up to. Methods raise DatabaseUnavailable.

    What is pending counts as activity. Minutes and hours that are about to be deleted are left alone.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._add = add_counts(activity, database.engine.dialect, COUNTS)
        self._note_changed = note_changed_routers(database.engine.dialect)

    def check(self, router_id: str | None = None) -> list[ActivityDifference]:
        """Return the differences between activity and ledger at one instant, of one router or of all."""
        return self._compare(router_id)[0]

    def run(self, router_id: str | None = None) -> list[ActivityDifference]:
        """Correct every difference by adding it, and return those that there were: nothing written meanwhile is lost.

        One correction is made at a time: what another one has corrected during the comparison is compared anew.
        """
        with waiting_for_others(self._database):
            found, corrections = self._compare(router_id)
            differences = found
            for _ in range(MOST_COMPARISONS):
                if not differences or self._correct(differences, corrections):
                    return found
                differences, corrections = self._compare(router_id)
        raise DatabaseUnavailable(
            f"the activity of {self._database.where} was still changed by others after {MOST_COMPARISONS} comparisons: "
            "run the rebuild again"
        )

    def _compare(self, router_id: str | None) -> tuple[list[ActivityDifference], int]:
        since = {width: self._clock() - KEPT_SECONDS[width] + margin for width, margin in MARGINS.items()}
        differences: list[ActivityDifference] = []
        with keeping_months(self._database), self._database.snapshot() as connection:
            corrections = read_corrections(connection)
            pending: dict[str, dict[Cell, Counts]] = defaultdict(dict)
            for cell, counts in read_pending(connection).roll_ups.activity.cells().items():
                pending[cell.router_id][cell] = counts
            # Router by router: the cells of one that are compared fit into memory.
            for own in _routers(connection, pending) if router_id is None else [router_id]:
                counted = count_router(connection, own, since)
                found = _compare(_kept(connection, own, pending[own], since), counted)
                differences += sorted(found, key=lambda each: each.cell)
        return differences, corrections

    def _correct(self, differences: Sequence[ActivityDifference], corrections: int) -> bool:
        """Correct the differences. Returns False if others have corrected something since the comparison."""
        with self._database.write() as connection:
            if not claim_correction(connection, corrections, time.time()):
                return False
            fold_pending(connection)
            mark_statistics_changed(connection)
            found = ((each.cell, each.kept, each.counted) for each in differences)
            rows = missing_rows(connection, activity, found)
            cursor = connection.connection.cursor()
            self._add.write(cursor, rows)
            self._note_changed.write(cursor, sorted({(each.cell.router_id,) for each in differences}))
        return True


NOTHING: Counts = (0,) * len(COUNTS)


def count_router(connection: Connection, router_id: str, since: Mapping[int, float]) -> dict[Cell, Counts]:
    """Count a router's requests: those of the checkpoint, and those that are in the ledger or in retired months.

    Of minutes and hours alone those that are compared, from `since` on.
    """
    cells = dict(_read_cells(connection, activity_checkpoints, router_id, since))
    tables = [(decisions, attempts, scores, "")]
    tables += [(it.decisions, it.attempts, it.scores, it.folded_to) for it in read_retired(connection)]
    for requests, tried, given, folded_to in tables:
        own = (requests.c.router_id == router_id) & (requests.c.completion_id > folded_to)
        query = select(*(requests.c[name] for name in COUNTED)).where(own)
        stream = connection.execution_options(yield_per=REQUESTS_AT_ONCE).execute(query)
        for some in stream.partitions():
            counted = ActivityCounts()
            count_requests(connection, some, counted, tried, given)
            add_cells(cells, {cell: counts for cell, counts in counted.cells().items() if _is_compared(cell, since)})
    return cells


def _compare(kept: Iterable[tuple[Cell, Counts]], counted: dict[Cell, Counts]) -> Iterator[ActivityDifference]:
    """Compare cells, each of which comes once, with what was counted; that is used up."""
    for cell, counts in kept:
        pair = counts, counted.pop(cell, NOTHING)
        if not all(map(_is_close, *pair)):
            yield ActivityDifference(cell, *pair)
    for cell, counts in counted.items():
        if not all(map(_is_close, NOTHING, counts)):
            yield ActivityDifference(cell, NOTHING, counts)


def _kept(
    connection: Connection, router_id: str, pending: dict[Cell, Counts], since: Mapping[int, float]
) -> Iterator[tuple[Cell, Counts]]:
    """The router's cells that are compared, with what is pending of each."""
    for cell, counts in _read_cells(connection, activity, router_id, since):
        more = pending.pop(cell, None)
        yield cell, counts if more is None else list(map(add, counts, more))
    yield from ((cell, counts) for cell, counts in pending.items() if _is_compared(cell, since))


def _read_cells(
    connection: Connection, table: Table, router_id: str, since: Mapping[int, float]
) -> Iterator[tuple[Cell, Counts]]:
    query = select(*(table.c[name] for name in (*Cell._fields, *COUNTS))).where(table.c.router_id == router_id)
    own = len(Cell._fields)
    for row in connection.execution_options(yield_per=REQUESTS_AT_ONCE).execute(query):
        cell = Cell(*row[:own])
        if _is_compared(cell, since):
            yield cell, row[own:]


def _is_compared(cell: Cell, since: Mapping[int, float]) -> bool:
    return cell.start >= since.get(cell.width, 0.0)


def _routers(connection: Connection, pending: Iterable[str]) -> list[str]:
    """The routers that have activity, pending or not, or requests, of which each has taught something."""
    known = (select(table.c.router_id) for table in (activity, activity_checkpoints, arms))
    return sorted({*connection.execute(union(*known)).scalars(), *pending})


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
