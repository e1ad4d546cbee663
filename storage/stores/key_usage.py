"""Reads what API keys have used, and deletes minutes that are past."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Dialect, Select, bindparam, case, delete, func, literal_column, select

from bandit.types import Epoch
from storage.calendar import DAY, MINUTE, month_start, start_of
from storage.database.bulk import among
from storage.database.engine import Database
from storage.database.postgresql import prepare_sums
from storage.key_usage import UNUSED, USED, Cell, Usage
from storage.tables import api_keys, key_usage

KEPT_MINUTES_SECONDS = 2 * DAY
_RECENT_MINUTES = 2
"""Minutes before the present one that still count for limits per minute."""

_own = key_usage.c
_CELLS: Select[Any] = select(_own.key_id, _own.width, _own.start, _own.requests, _own.tokens, _own.cost_usd)


class PresentUsage(NamedTuple):
    """What a key has used in the present minute, UTC day and month."""

    minute: Usage
    today: Usage
    month: Usage


NOTHING_USED = PresentUsage(UNUSED, UNUSED, UNUSED)


class KeyUsage:
    """Usage of the keys of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self, now: Epoch, key_ids: Collection[str] | None = None) -> dict[str, PresentUsage]:
        """Usage of the present minute, day and month, of these keys or of each that used something this month."""
        of_month = (_own.width == DAY) & (_own.start >= month_start(now))
        present = (_own.width == MINUTE) & (_own.start == start_of(MINUTE, now))
        of_day = [
            func.sum(case((_own.start >= start_of(DAY, now), _own[name]), else_=literal_column("0"))) for name in USED
        ]
        days = select(_own.key_id, *(func.sum(_own[name]) for name in USED), *of_day).where(of_month)
        minutes = select(_own.key_id, *(_own[name] for name in USED)).where(present)
        if key_ids is None:
            days = days.where(*in_order_of_keys(self._database))
        else:
            days, minutes = (query.where(_own.key_id.in_(key_ids)) for query in (days, minutes))
        with self._database.read() as connection:
            if not self._database.sqlite:
                prepare_sums(connection)
            minute = {row[0]: _usage(row[1:]) for row in connection.execute(minutes)}
            return {
                row[0]: PresentUsage(minute.get(row[0], UNUSED), _usage(row[4:]), _usage(row[1:4]))
                for row in connection.execute(days.group_by(_own.key_id))
            }

    def delete_minutes(self, now: Epoch) -> int:
        """Delete minutes that are over two days old. Returns their number."""
        old = (_own.width == MINUTE) & (_own.start < now - KEPT_MINUTES_SECONDS)
        with self._database.write() as connection:
            return connection.execute(delete(key_usage).where(old)).rowcount


def in_order_of_keys(database: Database) -> list[ColumnElement[bool]]:
    """A condition that every row meets, with which SQLite reads a range of time of all keys in their order.

    Else it reads it by `start`, with a search for each row: ten times the work. PostgreSQL, which reads whole pages and
    sums by hash, would only join the same rows once more.
    """
    return [_own.key_id.in_(_every_key())] if database.sqlite else []


def _every_key() -> Select[Any]:
    """Select each key that has used something, by one step through the primary key per key."""
    ids = select(func.min(_own.key_id).label("id")).cte("every_key", recursive=True)
    following = select(func.min(_own.key_id)).where(_own.key_id > ids.c.id).scalar_subquery()
    ids = ids.union_all(select(following).where(ids.c.id.is_not(None)))
    return select(ids.c.id).where(ids.c.id.is_not(None))


def _usage(row: Sequence[Any]) -> Usage:
    return Usage(int(row[0]), int(row[1]), float(row[2]))  # PostgreSQL sums large integers as decimals


class LimitedUsage:
    """Queries of the usage of keys with limits, for `read_cell`; their rows begin with the primary key.

    `of_all` finds this month's, `of_keys` that of keys which are `listed` as JSON, `moved` the recent cells of keys of
    which some have moved, and these. `times_of_usage` are the other parameters.
    """

    def __init__(self, moved: ColumnElement[bool], dialect: Dialect) -> None:
        limited = select(api_keys.c.id).where(api_keys.c.limits.is_not(None))
        minutes = (_own.width == MINUTE) & (_own.start >= bindparam("recent"))
        month = minutes | ((_own.width == DAY) & (_own.start >= bindparam("month")))
        self.of_all = _CELLS.where(_own.key_id.in_(limited), month)
        self.of_keys = _CELLS.where(_own.key_id.in_(limited.where(among(api_keys.c.id, dialect))), month)
        # Each request changes its day, and only days have an index by what has moved. From there to the keys: there may
        # be 100,000, and each look would read all of them. The width is no parameter: SQLite could not tell that it is
        # the index's.
        days = key_usage.join(api_keys, api_keys.c.id == _own.key_id)
        of_days = _own.width == literal_column(str(DAY))
        active = select(_own.key_id).select_from(days).where(of_days, moved, api_keys.c.limits.is_not(None))
        recent = minutes | ((_own.width == DAY) & (_own.start >= bindparam("yesterday")))
        self.moved = _CELLS.where(_own.key_id.in_(active.correlate(None)), recent | moved)


def times_of_usage(now: Epoch) -> dict[str, float]:
    """The parameters of `LimitedUsage`: from when on minutes, recent days and this month's days count."""
    yesterday = start_of(DAY, now) - DAY
    return {
        "recent": start_of(MINUTE, now) - _RECENT_MINUTES * MINUTE,
        "yesterday": yesterday,
        "month": min(month_start(now), yesterday),
    }


def read_cell(row: Any) -> tuple[Cell, Usage]:
    """Read a row of the queries."""
    return Cell(row.key_id, row.width, row.start), Usage(row.requests, row.tokens, row.cost_usd)
