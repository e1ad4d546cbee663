"""Statistics change only by addition, in SQL: whoever adds, in whatever order, the sums come out the same.

Both sides are brought to the later instant first: S(t) = S(t0) * 2^(-(t - t0) / half_life) + new (forward decay,
Cormode et al. 2009).
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Insert, Table, bindparam, case, func, literal_column, select
from sqlalchemy import cast as cast_sql
from sqlalchemy.dialects import postgresql, sqlite

from storage.revisions import Topic
from storage.tables import revisions

SUMS = ("weight", "total", "squares")

_FADED_AWAY: ColumnElement[float] = literal_column("500.0")
"""Half-lives after which a sum is nothing. PostgreSQL raises an error where a product underflows; see `_TINY`."""

_TINY: ColumnElement[float] = literal_column("1e-100")


def add_sums(table: Table, dialect: Dialect, *, revised: bool) -> Insert:
    """Insert rows of sums, or add them to those that are there, all on the later instant of the two."""
    statement = upsert(table, dialect, (*table.primary_key.columns.keys(), "at", "half_life", *SUMS), revised=revised)
    new, old = statement.excluded, table.c
    later = case((old.at > new.at, old.at), else_=new.at)
    values: dict[str, Any] = {"at": later}
    for name in SUMS:
        faded_old = _faded(old[name], (later - old.at) / old.half_life)
        faded_new = _faded(new[name], (later - new.at) / new.half_life)
        values[name] = faded_old + faded_new
    if revised:
        values["revision"] = new.revision
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values)


def add_counts(table: Table, dialect: Dialect, counts: tuple[str, ...]) -> Insert:
    """Insert rows of counts, or add them to those that are there."""
    statement = upsert(table, dialect, (*table.primary_key.columns.keys(), *counts), revised=True)
    values: dict[str, Any] = {name: table.c[name] + statement.excluded[name] for name in counts}
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={**values, "revision": statement.excluded.revision}
    )


def upsert(
    table: Table, dialect: Dialect, columns: tuple[str, ...], *, revised: bool
) -> "postgresql.Insert | sqlite.Insert":
    """An insert of these columns that can still be told what to do on conflict."""
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    if revised:
        values["revision"] = current_revision(dialect)
    return insert(table).values(values)


def current_revision(dialect: Dialect) -> ColumnElement[int]:
    """The number under which this transaction's changes are found by other processes (see `changes`)."""
    if dialect.name == "postgresql":
        return cast_sql(cast_sql(func.pg_current_xact_id(), postgresql.TEXT), BigInteger)
    return (
        select(revisions.c.value)
        .where(revisions.c.topic == literal_column(f"'{Topic.STATISTICS.value}'"))
        .scalar_subquery()
    )


def _faded(value: ColumnElement[Any], half_lives: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum after some half-lives. What is too small to matter becomes 0, before a product of it can underflow."""
    nothing: ColumnElement[float] = literal_column("0.0")
    return case(
        (half_lives > _FADED_AWAY, nothing),
        (func.abs(value) < _TINY, nothing),
        else_=value * func.power(literal_column("2.0"), -half_lives),
    )
