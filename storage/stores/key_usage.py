"""Reads what API keys have used, and deletes minutes that are past."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select

from bandit.types import Epoch
from storage.calendar import DAY, MINUTE, month_start, start_of
from storage.database.engine import Database
from storage.key_usage import Cell, Usage
from storage.tables import api_keys, key_usage

KEPT_MINUTES_SECONDS = 2 * DAY
_RECENT_MINUTES = 2
"""Minutes before the present one that still count for limits per minute."""

_own = key_usage.c
_CELLS: Select[Any] = select(_own.key_id, _own.width, _own.start, _own.requests, _own.tokens, _own.cost_usd)


class KeyUsage:
    """Usage of the keys of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since_month_start(self, now: Epoch, key_id: str | None = None) -> dict[Cell, Usage]:
        """The days of this month, and the present minute, of one key or of all."""
        days = (_own.width == DAY) & (_own.start >= month_start(now))
        minute = (_own.width == MINUTE) & (_own.start == start_of(MINUTE, now))
        query = _CELLS.where(days | minute)
        with self._database.read() as connection:
            rows = connection.execute(query if key_id is None else query.where(_own.key_id == key_id))
            return dict(map(read_cell, rows))

    def delete_minutes(self, now: Epoch) -> int:
        """Delete minutes that are over two days old. Returns their number."""
        old = (_own.width == MINUTE) & (_own.start < now - KEPT_MINUTES_SECONDS)
        with self._database.write() as connection:
            return connection.execute(delete(key_usage).where(old)).rowcount


def limited_usage(now: Epoch, moved: ColumnElement[bool] | None, changed_keys: Collection[str]) -> list[Select[Any]]:
    """Queries of the usage of keys with limits, for `read_cell`; their rows begin with the primary key.

    Of `changed_keys` they find this month's, of others the recent cells if some `moved`; None: this month's of all.
    """
    limited = select(api_keys.c.id).where(api_keys.c.limits.is_not(None))
    minutes = (_own.width == MINUTE) & (_own.start >= start_of(MINUTE, now) - _RECENT_MINUTES * MINUTE)
    today = start_of(DAY, now)
    month = minutes | ((_own.width == DAY) & (_own.start >= min(month_start(now), today - DAY)))
    if moved is None:
        return [_CELLS.where(_own.key_id.in_(limited), month)]
    # Each request changes its day, and only days have an index by what has moved.
    days = select(_own.key_id).where(_own.width == DAY, moved)
    recent = minutes | ((_own.width == DAY) & (_own.start >= today - DAY))
    found = [_CELLS.where(_own.key_id.in_(limited), _own.key_id.in_(days), recent | moved)]
    if changed_keys:
        found.append(_CELLS.where(_own.key_id.in_(limited.where(api_keys.c.id.in_(changed_keys))), month))
    return found


def read_cell(row: Any) -> tuple[Cell, Usage]:
    """Read a row of the queries."""
    return Cell(row.key_id, row.width, row.start), Usage(row.requests, row.tokens, row.cost_usd)
