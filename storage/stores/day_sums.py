"""Activity of all routers by UTC day and model, kept in memory: a day is read again once a row of it has changed.

SQLite takes ten times as long to add up the days of many routers as to compare the revisions of their rows: 46 columns.
"""

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, Double, Select, and_, cast, func, select

from storage.activity import COUNTS
from storage.calendar import DAY
from storage.database.engine import Database
from storage.database.numbers import read_numbers
from storage.stores.identity import Identity, identity_in
from storage.tables import activity

MOST_KEPT = 10_000
"""Days and models whose sums are kept, the latest: about 2 kB each."""

Counts = Sequence[float]
"""Sums in the order of `COUNTS`."""


def sum_of(column: Column[Any]) -> ColumnElement[Any]:
    """Sum a column; PostgreSQL sums large integers as decimals, which take long to read."""
    total = func.sum(column)
    return total if isinstance(column.type, Double) else cast(total, BigInteger)


SUMMED = [sum_of(activity.c[name]) for name in COUNTS]


class DaySums:
    """The days of one ledger on SQLite. Thread-safe.

    Rows of days are never deleted, and whatever changes one gives it the number of its transaction; so a day whose rows
    have no number above the last that was seen is as it was.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._days: dict[int, dict[str, Counts]] = {}  # by the day's start
        self._seen = 0  # the number of the last transaction that is in them
        self._ledger: Identity | None = None

    def read(self, since: int, until: int) -> dict[tuple[int, str], Counts]:
        """Read the sums of each day from `since` up to before `until`, by its start and model.

        Raises DatabaseUnavailable.
        """
        # The lock first: whoever waits for it sees a state that is not older than what the one before has kept.
        with self._lock, self._database.read() as connection:
            wanted = self._read(connection, since, until)
            found = {(day, model): sums for day in wanted for model, sums in self._days[day].items()}
            self._forget_most()
        return found

    def _read(self, connection: Connection, since: int, until: int) -> range:
        """Read what is not kept, and return the days that there can be of those that are wanted."""
        self._forget_changed(connection)
        own = activity.c
        first, last = (
            connection.execute(select(edge(own.start)).where(own.width == DAY)).scalar() or 0
            for edge in (func.min, func.max)
        )
        wanted = range(max(since, first), min(until, last + DAY), DAY)
        for start, end in _runs([day for day in wanted if day not in self._days]):
            found: dict[int, dict[str, Counts]] = {day: {} for day in range(start, end, DAY)}
            query = _of_days(and_(own.start >= start, own.start < end), own.start, own.model_id, *SUMMED)
            for day, model_id, *sums in connection.execute(query.group_by(own.start, own.model_id)):
                if day is not None:
                    found[day][model_id] = sums
            self._days |= found  # at the end: a query that fails leaves nothing behind
        return wanted

    def _forget_changed(self, connection: Connection) -> None:
        ledger, last = identity_in(connection), read_numbers(connection).last
        if ledger != self._ledger or last < self._seen:  # another one was restored in its place
            self._days.clear()
        elif last > self._seen and self._days:
            own = activity.c
            is_newer = own.revision.between(self._seen + 1, last)
            for start in connection.execute(_of_days(is_newer, own.start).distinct()).scalars():
                self._days.pop(start, None)
        self._ledger, self._seen = ledger, last

    def _forget_most(self) -> None:
        kept = sum(map(len, self._days.values()))
        for day in sorted(self._days) if kept > MOST_KEPT else ():
            kept -= len(self._days.pop(day))
            if kept <= MOST_KEPT:
                break


def every_router() -> Select[Any]:
    """Select each router that has activity, by one step through the primary key per router."""
    own = activity.c
    ids = select(func.min(own.router_id).label("id")).cte("every_router", recursive=True)
    following = select(func.min(own.router_id)).where(own.router_id > ids.c.id).scalar_subquery()
    ids = ids.union_all(select(following).where(ids.c.id.is_not(None)))
    return select(ids.c.id).where(ids.c.id.is_not(None))


def _of_days(which: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[Any]:
    """Select of the days of each router, and NULLs of routers without any.

    For an outer join SQLite reads the days of each router at once; otherwise it reads them by `start`, with a search
    for each row.
    """
    every = every_router().subquery()
    own = activity.c
    return select(*columns).select_from(
        every.outerjoin(activity, and_(own.router_id == every.c.id, own.width == DAY, which))
    )


def _runs(days: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The stretches of days that follow one another, each with its end."""
    start = end = days[0] if days else 0
    for day in days:
        if day != end:
            yield start, end
            start = day
        end = day + DAY
    if days:
        yield start, end
