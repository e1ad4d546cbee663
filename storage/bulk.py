"""Statements that write many rows at once, compiled once from SQLAlchemy's Core.

A row per statement would take and leave the interpreter's lock per row, and wait for a busy event loop each time. One
statement of many rows does the database's work in one go, outside that lock.
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Dialect, Insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

LARGEST = 64
"""Rows in one statement: 64 rows of our widest table stay well below SQLite's 32,766 parameters."""


class Cursor(Protocol):
    """What is used of a driver's cursor (PEP 249)."""

    def execute(self, operation: str, parameters: Sequence[object] = ..., /) -> object:
        """Run one statement."""
        ...


class Bulk:
    """An insert (and what it does on conflict) for any number of rows, whose values come as flat tuples."""

    def __init__(self, statement: Insert, dialect: Dialect) -> None:
        sql = str(statement.compile(dialect=_positional(dialect)))
        start = sql.index("VALUES (") + len("VALUES ")
        end = _closing(sql, start)
        self._head, self._row, self._tail = sql[:start], sql[start:end], sql[end:]
        self._by_count: dict[int, str] = {}

    def write(self, cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert the rows in order. Raises the driver's errors."""
        start, left, count = 0, len(rows), LARGEST
        while left:
            while count > left:
                count //= 2  # powers of two: few texts, so each stays prepared
            flat = rows[start] if count == 1 else [value for row in rows[start : start + count] for value in row]
            cursor.execute(self._text(count), flat)
            start, left = start + count, left - count

    def _text(self, count: int) -> str:
        text = self._by_count.get(count)
        if text is None:
            text = self._by_count[count] = self._head + ", ".join([self._row] * count) + self._tail
        return text


def _positional(dialect: Dialect) -> Dialect:
    """The dialect, with parameters by position and not by name."""
    if dialect.name == "sqlite":
        return SQLiteDialect_pysqlite(paramstyle="qmark")
    return PGDialect_psycopg(paramstyle="format")


def _closing(sql: str, opening: int) -> int:
    """The position after the bracket that closes the one at `opening`."""
    depth = 0
    for position in range(opening, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[position], 0)
        if depth == 0:
            return position + 1
    raise ValueError(f"no closing bracket: {sql}")
