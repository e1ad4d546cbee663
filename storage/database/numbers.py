"""Numbers the transactions that change statistics, by which other processes find their changes.

On SQLite the number is a counter in `revisions`: one transaction writes at a time, so numbers appear in their order.

On PostgreSQL it comes from a sequence, for which nobody waits, so a transaction may commit after others with higher
numbers, and a reader must know up to which number all have ended. Each transaction first locks the sequence's last
number (an advisory lock that many can share, until it ends) and then draws its own, which is higher. The reader reads
the last number, then the locks, then the rows, up to the number that is the last by then. A transaction whose lock it
does not see has either ended, and its rows are visible, or has not drawn yet, and will get a number above the first of
the two. So all numbers up to the lowest that is locked are complete, and the next poll begins there. Transactions that
don't change statistics, and those of other ledgers, lock none of these numbers: however long they stay open, nothing is
read twice.
"""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    ScalarSelect,
    Select,
    TextClause,
    Update,
    func,
    literal_column,
    select,
    table,
    text,
)

from storage.database.revisions import Topic, count_change, notify
from storage.tables import revisions

_MODULUS = 2_147_483_647
"""An advisory lock has two keys of 31 bits: here the ledger's sequence and the number."""

_KEY = f"mod(tableoid::bigint, {_MODULUS})::int"  # not `%`, which the driver takes for a parameter
_LOCK = f"pg_advisory_xact_lock_shared({_KEY}, mod(last_value, {_MODULUS})::int)"
_DRAW = text(
    f"WITH locked AS MATERIALIZED (SELECT {_LOCK} FROM statistic_numbers) "  # noqa: S608
    "SELECT nextval('statistic_numbers') FROM locked"
)
_LAST = text(f"SELECT last_value, {_KEY} FROM statistic_numbers")  # noqa: S608
_LOCKED = text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = :key "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_COUNTED: Select[int] = select(revisions.c.value).where(
    revisions.c.topic == literal_column(f"'{Topic.STATISTICS.value}'")
)


class Numbers(NamedTuple):
    """The last number that was drawn, and the one up to which every transaction has ended."""

    last: int
    complete: int


def draw_number(dialect: Dialect) -> TextClause | Update:
    """Build the statement, without parameters, that numbers a transaction, before it changes statistics."""
    return _DRAW if dialect.name == "postgresql" else count_change(Topic.STATISTICS)


def current_revision(dialect: Dialect) -> ColumnElement[int]:
    """The number of this transaction, for the rows that it changes."""
    if dialect.name == "postgresql":
        return func.currval(literal_column("'statistic_numbers'"), type_=BigInteger)
    return _COUNTED.scalar_subquery()


def last_number(dialect: Dialect) -> ScalarSelect[int]:
    """The last number when a query that contains this is run: no row that the query sees has a higher one.

    Numbers of another ledger, in rows that were copied or restored, may be higher.
    """
    if dialect.name == "postgresql":
        # Not a value that was read before: a row that is seen may have got a higher number since.
        return (
            select(literal_column("last_value", BigInteger)).select_from(table("statistic_numbers")).scalar_subquery()
        )
    return _COUNTED.scalar_subquery()


def read_numbers(connection: Connection) -> Numbers:
    """Read how far the numbers are. Each later statement must see what is committed by then (READ COMMITTED)."""
    if connection.dialect.name == "sqlite":
        last: int = connection.execute(_COUNTED).scalar_one()
        return Numbers(last, last)
    last, key = connection.execute(_LAST).one()
    complete = last
    for locked in connection.execute(_LOCKED, {"key": key}).scalars():
        behind = (last - locked) % _MODULUS
        if behind < _MODULUS // 2:  # else it is above `last`, which was read before the lock was taken
            complete = min(complete, last - behind)
    return Numbers(last, complete)


def mark_statistics_changed(connection: Connection) -> None:
    """Number a transaction that changes statistics and is not the writer's, and notify other processes."""
    connection.execute(draw_number(connection.dialect))
    notify(connection, Topic.STATISTICS)
