"""SQL that adds to statistics. Addition commutes, so the sums don't depend on the order or the process.

Both sides are faded to the later instant first: S(t) = S(t0) * 2^(-(t - t0) / half_life) + new (forward decay,
Cormode et al. 2009).
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Table, case, func, literal_column

from storage.database.bulk import Bulk, compile_bulk, insert_many
from storage.tables import statistic_changes

SUMS = ("weight", "total", "squares")

_FADED_AWAY: ColumnElement[float] = literal_column("500.0")
"""Half-lives after which a sum counts as 0. PostgreSQL raises an error if a product underflows; so see `_TINY`."""

_LARGEST_SUM: ColumnElement[int] = literal_column(str(2**62))

_TINY: ColumnElement[float] = literal_column("1e-100")


def add_sums(table: Table, dialect: Dialect) -> Bulk:
    """Upsert rows of sums: add them to existing rows, at the later instant of the two."""
    statement = insert_many(table, dialect)
    new, old = statement.excluded, table.c
    is_later = new.at >= old.at
    values: dict[str, Any] = {"at": case((is_later, new.at), else_=old.at)}
    for name in SUMS:
        # The row's own half-life on both sides: a process may not know yet that it was changed.
        on_new = _faded(old[name], (new.at - old.at) / old.half_life) + new[name]
        on_old = old[name] + _faded(new[name], (old.at - new.at) / old.half_life)
        values[name] = case((is_later, on_new), else_=on_old)
    if "revision" in table.columns:
        values["revision"] = new.revision
    return compile_bulk(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values), dialect
    )


def add_counts(table: Table, dialect: Dialect, counts: tuple[str, ...], *, sparse: bool = False) -> Bulk:
    """Upsert rows of counts: add them to existing rows. A sum that an absurd count has filled takes no more.

    `sparse`: most counts of a row are zero.
    """
    zeros = counts if sparse else ()
    statement = insert_many(table, dialect, zeros)
    new = statement.excluded
    most = func.min if dialect.name == "sqlite" else func.least
    values: dict[str, Any] = {
        name: (most(table.c[name], _LARGEST_SUM) if isinstance(table.c[name].type, BigInteger) else table.c[name])
        + new[name]
        for name in counts
    }
    if "revision" in table.columns:
        values["revision"] = new.revision
    return compile_bulk(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values), dialect, zeros
    )


def note_changed_routers(dialect: Dialect) -> Bulk:
    """Upsert the revision of routers (rows of one id) whose statistics, budget or activity changed."""
    statement = insert_many(statistic_changes, dialect)
    changed = {"revision": statement.excluded.revision}
    return compile_bulk(statement.on_conflict_do_update(index_elements=["router_id"], set_=changed), dialect)


def _faded(value: ColumnElement[Any], half_lives: ColumnElement[Any]) -> ColumnElement[Any]:
    """Fade a sum by some half-lives. Tiny values become 0, before a product of them can underflow."""
    nothing: ColumnElement[float] = literal_column("0.0")
    return case(
        (half_lives > _FADED_AWAY, nothing),
        (func.abs(value) < _TINY, nothing),
        else_=value * func.power(literal_column("2.0"), -half_lives),
    )
