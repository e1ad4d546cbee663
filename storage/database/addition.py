"""Statistics change only by addition, in SQL: whoever adds, in whatever order, the sums come out the same.

Both sides are brought to the later instant first: S(t) = S(t0) * 2^(-(t - t0) / half_life) + new (forward decay,
Cormode et al. 2009).
"""

from typing import Any

from sqlalchemy import ColumnElement, Dialect, Table, case, func, literal_column

from storage.database.bulk import Bulk, compile_bulk, insert_many
from storage.tables import statistic_changes

SUMS = ("weight", "total", "squares")

_FADED_AWAY: ColumnElement[float] = literal_column("500.0")
"""Half-lives after which a sum is nothing. PostgreSQL raises an error where a product underflows; see `_TINY`."""

_TINY: ColumnElement[float] = literal_column("1e-100")


def add_sums(table: Table, dialect: Dialect) -> Bulk:
    """Insert rows of sums, or add them to those that are there, on the later instant of the two."""
    statement = insert_many(table, dialect)
    new, old = statement.excluded, table.c
    later = case((old.at > new.at, old.at), else_=new.at)
    values: dict[str, Any] = {"at": later}
    for name in SUMS:
        faded_old = faded(old[name], (later - old.at) / old.half_life)
        faded_new = faded(new[name], (later - new.at) / new.half_life)
        values[name] = faded_old + faded_new
    if "revision" in table.columns:
        values["revision"] = new.revision
    return compile_bulk(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values), dialect
    )


def add_counts(table: Table, dialect: Dialect, counts: tuple[str, ...]) -> Bulk:
    """Insert rows of counts, or add them to those that are there."""
    statement = insert_many(table, dialect)
    new = statement.excluded
    values: dict[str, Any] = {name: table.c[name] + new[name] for name in counts}
    return compile_bulk(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={**values, "revision": new.revision}
        ),
        dialect,
    )


def note_changed_routers(dialect: Dialect) -> Bulk:
    """Note, by rows of one id each, that the statistics, budget or traffic of routers have changed."""
    statement = insert_many(statistic_changes, dialect)
    changed = {"revision": statement.excluded.revision}
    return compile_bulk(statement.on_conflict_do_update(index_elements=["router_id"], set_=changed), dialect)


def faded(value: ColumnElement[Any], half_lives: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum after some half-lives. What is too small to matter becomes 0, before a product of it can underflow."""
    nothing: ColumnElement[float] = literal_column("0.0")
    return case(
        (half_lives > _FADED_AWAY, nothing),
        (func.abs(value) < _TINY, nothing),
        else_=value * func.power(literal_column("2.0"), -half_lives),
    )
