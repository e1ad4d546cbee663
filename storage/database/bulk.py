"""Bulk statements: each writes many rows at once, and is compiled once from SQLAlchemy's Core.

A statement per row would release and take the interpreter's lock per row, and wait for a busy event loop each time. One
statement of many rows lets the database work outside that lock. SQLite gets its rows as `VALUES (…), (…)`.
PostgreSQL gets few rows as one JSON parameter, in one round trip with the rest of the transaction, and many by COPY:
binding each value takes us three times the time, and reading JSON takes the server three times the time of COPY.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from math import isinf, nan
from typing import Any, Protocol

import msgspec
from sqlalchemy import (
    JSON,
    ClauseElement,
    ColumnClause,
    ColumnElement,
    Dialect,
    LargeBinary,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    make_url,
    select,
)
from sqlalchemy import cast as cast_sql
from sqlalchemy.dialects import postgresql, sqlite

from storage.database.numbers import current_revision

SIZES = (64, 48, 32, 24, *range(16, 0, -1))
"""Rows per statement on SQLite: one statement for a usual transaction's rows of a table, but few enough that all stay
prepared; 64 rows of the widest table have far less than the 32,766 parameters that are allowed."""

JSON_ROWS = 1_000
"""Rows per statement on PostgreSQL."""

Upsert = postgresql.Insert | sqlite.Insert
"""An insert that supports ON CONFLICT."""


class Cursor(Protocol):
    """The methods of a driver's cursor (PEP 249) that are used."""

    def execute(self, operation: str, parameters: Sequence[object] = ..., /) -> object:
        """Run one statement."""
        ...

    def fetchall(self) -> Sequence[Any]:
        """Fetch all rows of the last statement."""
        ...


class Bulk(Protocol):
    """Writes any number of rows."""

    def write(self, cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        """Write the rows in order. Raises the driver's errors."""
        ...


def insert_many(table: Table, dialect: Dialect, zeros: Collection[str] = (), names: Sequence[str] = ()) -> Upsert:
    """Build an insert of all the table's columns, but for `revision`, which is computed.

    `zeros` are columns of finite numbers of which most are zero: on PostgreSQL those are not sent. There `names` may be
    the columns in another order, that of the rows.
    """
    columns = [table.columns[name] for name in names or table.columns.keys() if name != "revision"]
    revised = {"revision": current_revision(dialect)} if "revision" in table.columns else {}
    if dialect.name == "sqlite":
        values: dict[str, Any] = {column.name: bindparam(column.name) for column in columns}
        return sqlite.insert(table).values({**values, **revised})
    rows = cast_sql(bindparam("rows", type_=Text), JSON)
    record: ColumnElement[Any] = literal_column(f"NULL::{table.name}")
    source = func.json_populate_recordset(record, rows).table_valued(
        *(column.name for column in columns), name="source"
    )
    zero: ColumnElement[int] = literal_column("0")
    chosen = [
        func.coalesce(source.c[column.name], zero) if column.name in zeros else source.c[column.name]
        for column in columns
    ]
    return postgresql.insert(table).from_select(
        [*(column.name for column in columns), *revised], select(*chosen, *revised.values())
    )


def among(column: ColumnElement[str], dialect: Dialect) -> ColumnElement[bool]:
    """Test whether the column is in a list, which is the parameter `listed`: see `as_listed`."""
    listed: ColumnElement[str] = bindparam("listed", type_=Text)
    if dialect.name == "sqlite":
        return column.in_(select(func.json_each(listed).table_valued("value").c.value))
    elements = func.json_array_elements_text(cast_sql(listed, JSON))
    return column == func.any(func.array(select(elements).scalar_subquery()))


def as_listed(ids: Iterable[str]) -> str:
    """The parameter of `among` for these ids."""
    return msgspec.json.encode(list(ids)).decode()


def dialect_of(name: str) -> Dialect:
    """The dialect of `sqlite` or `postgresql` in which texts are compiled: its parameters are positional."""
    driver, style = ("pysqlite", "qmark") if name == "sqlite" else ("psycopg", "format")
    dialect: Any = make_url(f"{name}+{driver}://").get_dialect()
    made: Dialect = dialect(paramstyle=style)
    return made


def compile_text(statement: ClauseElement, dialect: Dialect) -> str:
    """Compile a statement to text with positional parameters."""
    return str(statement.compile(dialect=dialect))


def compile_bulk(statement: Upsert, dialect: Dialect, zeros: Collection[str] = ()) -> Bulk:
    """Compile an `insert_many` with the same `zeros`, with or without ON CONFLICT."""
    sql, columns = compile_text(statement, dialect), list(statement.table.columns)
    if dialect.name == "sqlite":
        return _Values(sql, have_nulls=any(column.nullable for column in columns))
    return _Json(sql, columns, dialect, zeros)


def compile_plain(table: Table, dialect: Dialect, names: Sequence[str] = (), usual: int = 0) -> Bulk:
    """Compile a plain insert of the columns of these names, in the order of the rows; () means all.

    A row may end after so many `usual` columns if all others of it are NULL.
    """
    names = names or table.columns.keys()
    if dialect.name != "sqlite":
        sql = compile_text(insert_many(table, dialect, names=names), dialect)
        return _Json(sql, [table.columns[name] for name in names], dialect)
    whole, short = (
        f"INSERT INTO {table.name} ({', '.join(part)}) VALUES ({', '.join('?' * len(part))})"  # noqa: S608
        for part in (names, names[:usual])
    )
    return _ByLength(_Values(short, have_nulls=False), _Values(whole), usual) if usual else _Values(whole)


_NULL = nan
"""NULL, as SQLite takes it: its driver looks ten times as long for a way to bind None."""


class _ByLength:
    """Writes rows of one length by a statement of their own: a fifth of a plain request's values are NULL."""

    def __init__(self, short: Bulk, whole: Bulk, length: int) -> None:
        self._short, self._whole, self._length = short, whole, length

    def write(self, cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        short = [row for row in rows if len(row) == self._length]
        self._short.write(cursor, short)
        if len(short) < len(rows):
            self._whole.write(cursor, [row for row in rows if len(row) != self._length])


class _Values:
    """`INSERT … VALUES (…), (…)` with flat parameters. Not `have_nulls`: there are few."""

    def __init__(self, sql: str, *, have_nulls: bool = True) -> None:
        self._have_nulls = have_nulls
        start = sql.index("VALUES (") + len("VALUES ")
        end = _closing(sql, start)
        self._head, self._row, self._tail = sql[:start], sql[start:end], sql[end:]
        self._by_count: dict[int, str] = {}

    def write(self, cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        start = 0
        for count in _sizes_of(len(rows)):
            values = chain.from_iterable(rows[start : start + count])
            bound = [_NULL if value is None else value for value in values] if self._have_nulls else list(values)
            cursor.execute(self._text(count), bound)
            start += count

    def _text(self, count: int) -> str:
        text = self._by_count.get(count)
        if text is None:
            text = self._by_count[count] = self._head + ", ".join([self._row] * count) + self._tail
        return text


@lru_cache(maxsize=1_024)
def _sizes_of(count: int) -> tuple[int, ...]:
    """Divide a number of rows into some of `SIZES`."""
    if count == 0:
        return ()
    largest = next(size for size in SIZES if size <= count)
    return (largest, *_sizes_of(count - largest))


def _closing(sql: str, opening: int) -> int:
    """Return the position after the bracket that closes the one at `opening`."""
    depth = 0
    for position in range(opening, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[position], 0)
        if depth == 0:
            return position + 1
    raise ValueError(f"no closing bracket: {sql}")


class _Json:
    """`INSERT … SELECT … FROM json_populate_recordset(…)`, with the rows as one JSON parameter.

    JSON has neither infinity nor bytes; PostgreSQL reads both from strings.
    """

    def __init__(
        self, sql: str, columns: Sequence[ColumnClause[Any]], dialect: Dialect, zeros: Collection[str] = ()
    ) -> None:
        self._sql = sql
        columns = [column for column in columns if column.name != "revision"]
        # What is left out is NULL, or zero. A struct is written ten times as fast as a mapping.
        absent = [0 if it.name in zeros else None if it.nullable else msgspec.UNSET for it in columns]
        fields = [(str(it.name), Any, default) for it, default in zip(columns, absent, strict=True)]
        self._record = msgspec.defstruct("Row", fields, omit_defaults=True)
        converters = ((number, _converter(column, dialect)) for number, column in enumerate(columns))
        self._converters = [(number, convert) for number, convert in converters if convert is not None]

    def write(self, cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        # In pieces: a statement's time is bounded, and the watchdog learns of the progress.
        for start in range(0, len(rows), JSON_ROWS):
            self._write_some(cursor, rows[start : start + JSON_ROWS])

    def _write_some(self, cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> None:
        if self._converters:
            rows = list(map(self._converted, rows))
        records = [self._record(*row) for row in rows]
        cursor.execute(self._sql, (msgspec.json.encode(records).decode(),))

    def _converted(self, row: tuple[object, ...]) -> tuple[object, ...]:
        values = list(row)
        for number, convert in self._converters:
            values[number] = convert(values[number])
        return tuple(values)


def _converter(column: ColumnClause[Any], dialect: Dialect) -> Callable[[object], object] | None:
    """What makes a column's values JSON; None: they are as they are."""
    if isinstance(column.type, LargeBinary):
        return _hexadecimal
    if isinstance(column.type.dialect_impl(dialect), JSON):
        return _raw
    return _endless if column.name == "half_life" else None


def _hexadecimal(value: object) -> object:
    return "\\x" + value.hex() if isinstance(value, bytes) else value


def _raw(value: object) -> object:
    # A string would become one inside of the jsonb.
    return msgspec.Raw(value.encode()) if isinstance(value, str) else value


def _endless(value: object) -> object:
    return "Infinity" if isinstance(value, float) and isinf(value) else value


class Copy:
    """A plain insert of many rows by `COPY … FROM STDIN`. Needs psycopg's cursor, outside of pipeline mode."""

    def __init__(self, table: Table, names: Sequence[str] = ()) -> None:
        names = names or table.columns.keys()
        self._sql = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
        self._nulls = (None,) * len(names)

    def write(self, cursor: Any, rows: Sequence[tuple[object, ...]]) -> None:
        """Write the rows in order; what a row lacks at its end is NULL. Raises the driver's errors."""
        if rows:
            with cursor.copy(self._sql) as copy:
                for row in rows:
                    copy.write_row((*row, *self._nulls[len(row) :]))
