"""Compares the days of `key_usage` with the ledger, and corrects them; keeps the part of what is deleted.

Minutes are not compared: they serve limits per minute, and are gone after two days.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Dialect, Table, cast, func, literal_column, select

from storage.calendar import DAY, start_of
from storage.cells import add_cells
from storage.database.addition import add_counts
from storage.database.bulk import Bulk
from storage.database.engine import Database
from storage.database.numbers import mark_statistics_changed
from storage.errors import DatabaseUnavailable
from storage.key_usage import UNUSED, USED, Cell, Usage, usage_rows
from storage.maintenance.claim import claim_correction, read_corrections, waiting_for_others
from storage.maintenance.retired import keeping_months, read_retired
from storage.pending_events import fold_pending, read_pending
from storage.tables import decisions, key_usage, key_usage_checkpoints

TOLERANCE = 1e-9
"""Absolute and relative tolerance of dollars that count as equal."""

MOST_COMPARISONS = 10


@dataclass(frozen=True, slots=True)
class UsageDifference:
    """A key's day that differs from the ledger."""

    cell: Cell
    kept: Usage
    folded: Usage


class UsageRebuild:
    """Makes the days of `key_usage`, with what is pending, equal to the ledger. Methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._add = add_counts(key_usage, database.engine.dialect, USED)

    def check(self) -> list[UsageDifference]:
        """Return the differences at one instant."""
        return self._compare()[1]

    def run(self) -> list[UsageDifference]:
        """Correct every difference, and return those that there were. Gateways may keep serving: what differs is added.

        One rebuild corrects at a time; what another one has corrected during the comparison is compared anew.
        """
        with waiting_for_others(self._database):
            for _ in range(MOST_COMPARISONS):
                corrections, differences = self._compare()
                if not differences or self._correct(corrections, differences):
                    return differences
        raise DatabaseUnavailable(f"the usage of {self._database.where} was corrected by others: rebuild again")

    def _compare(self) -> tuple[int, list[UsageDifference]]:
        with keeping_months(self._database), self._database.snapshot() as connection:
            corrections = read_corrections(connection)
            kept, folded = _days(connection, key_usage), _fold(connection)
            pending = read_pending(connection).roll_ups.usage.cells().items()
            add_cells(kept, {cell: usage for cell, usage in pending if cell.width == DAY})
        cells = sorted(kept.keys() | folded.keys())
        found = [UsageDifference(cell, _usage(kept.get(cell)), _usage(folded.get(cell))) for cell in cells]
        return corrections, [each for each in found if not _equal(each.kept, each.folded)]

    def _correct(self, corrections: int, differences: list[UsageDifference]) -> bool:
        with self._database.write() as connection:
            if not claim_correction(connection, corrections, time.time()):
                return False
            fold_pending(connection)
            mark_statistics_changed(connection)
            added = {each.cell: _minus(each.folded, each.kept) for each in differences}
            self._add.write(connection.connection.cursor(), usage_rows(added))
        return True


def keep_usage(dialect: Dialect) -> Bulk:
    """The statement that adds the rows of `deleted_usage` to the part of the fold that has no decisions any more."""
    return add_counts(key_usage_checkpoints, dialect, USED)


def deleted_usage(rows: Iterable[Any]) -> list[tuple[object, ...]]:
    """Sum the usage of outcomes by key and day, as rows of `key_usage_checkpoints`."""
    days: dict[Cell, Usage] = {}
    for row in rows:
        cell = Cell(row.key_id, DAY, start_of(DAY, row.ended_at))
        tokens = (row.prompt_tokens or 0) + (row.completion_tokens or 0)
        days[cell] = days.get(cell, UNUSED).plus(Usage(1, tokens, row.cost_usd))
    return usage_rows(days)


def _fold(connection: Connection) -> dict[Cell, Sequence[float]]:
    """Compute the days from checkpoints and decisions alone."""
    folded = _days(connection, key_usage_checkpoints)
    tables = [(decisions, "")] + [(month.decisions, month.folded_to) for month in read_retired(connection)]
    for requests, folded_to in tables:
        own = requests.c
        day = cast(func.floor(own.ended_at / literal_column("86400.0")), BigInteger)
        tokens = func.sum(func.coalesce(own.prompt_tokens, 0) + func.coalesce(own.completion_tokens, 0))
        query = select(own.key_id, day.label("day"), func.count().label("requests"), tokens, func.sum(own.cost_usd))
        query = query.where(own.completion_id > folded_to).group_by(own.key_id, day)
        rows = connection.execute(query)
        add_cells(folded, {Cell(row[0], DAY, row.day * DAY): (row.requests, int(row[3]), row[4]) for row in rows})
    return folded


def _days(connection: Connection, table: Table) -> dict[Cell, Sequence[float]]:
    own = table.c
    query = select(own.key_id, own.start, own.requests, own.tokens, own.cost_usd).where(own.width == DAY)
    return {Cell(row.key_id, DAY, row.start): row[2:] for row in connection.execute(query)}


def _usage(numbers: Sequence[float] | None) -> Usage:
    if numbers is None:
        return UNUSED
    requests, tokens, cost_usd = numbers
    return Usage(int(requests), int(tokens), cost_usd)


def _equal(kept: Usage, folded: Usage) -> bool:
    same_cost = math.isclose(kept.cost_usd, folded.cost_usd, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return same_cost and kept[:2] == folded[:2]


def _minus(one: Usage, other: Usage) -> Usage:
    return Usage(one.requests - other.requests, one.tokens - other.tokens, one.cost_usd - other.cost_usd)
