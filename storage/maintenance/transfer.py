"""Copies a whole ledger to another database, of either kind: all or nothing."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, Table, exists, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from storage.database.bulk import Copy
from storage.database.engine import Database, first_line
from storage.database.numbers import current_revision, draw_number
from storage.database.revisions import Topic
from storage.errors import TransferRefused
from storage.pending_events import fold_pending
from storage.stores.identity import identity_in
from storage.tables import (
    activity,
    api_keys,
    arms,
    budgets,
    changes,
    decisions,
    identity,
    judging,
    key_usage,
    metadata,
    replicas,
    retired_months,
    revisions,
    routers,
    statistic_changes,
)

ROWS_AT_ONCE = 5_000

ALIVE_SECONDS = 60.0
"""A replica whose last heartbeat is older has ended."""

_OWN = (identity, revisions, changes, replicas, retired_months)
"""Tables of a ledger's place, not of its contents: the target has its own."""

_NUMBERED = (arms, budgets, activity, key_usage, judging, statistic_changes)
"""Tables whose rows have the number of the transaction that changed them: see storage.database.numbers."""

Progress = Callable[[str, int], None]
"""Is told the table and the number of its rows that are copied."""


def copy_ledger(source: Database, target: Database, progress: Progress) -> dict[str, int]:
    """Copy a ledger that no gateway serves to an empty one, in one transaction. Returns the rows by table.

    The target has the source's identity, in a new epoch. Raises TransferRefused, DatabaseUnavailable; then the target
    is as it was.
    """
    with source.snapshot() as reading, target.write() as writing:
        refusals = tuple(getattr(target.engine.dialect.loaded_dbapi, name) for name in ("IntegrityError", "DataError"))
        _require_unserved(source, reading)
        _require_whole(source, reading)
        _lock(target, writing)
        _require_empty(target, writing)
        writing.execute(draw_number(writing.dialect))
        revision: int = writing.execute(select(current_revision(writing.dialect))).scalar_one()
        rows_of: dict[str, int] = {}
        for table in metadata.sorted_tables:
            if table not in _OWN:
                try:
                    rows_of[table.name] = _copy(reading, writing, table, revision, progress)
                except (DBAPIError, *refusals) as error:
                    if not isinstance(getattr(error, "orig", error), refusals):
                        raise
                    raise TransferRefused(_told(target, table, error)) from error
        for table in metadata.sorted_tables:
            if table.name in rows_of and _count(writing, table) != rows_of[table.name]:
                raise TransferRefused(f"{table.name} has another number of rows in {target.where}: nothing was copied")
        # On PostgreSQL nobody folds.
        fold_pending(writing)
        found = identity_in(reading)
        writing.execute(update(identity).values(ledger_id=found.ledger_id, epoch=found.epoch + 1))
        counted = update(revisions).where(revisions.c.topic != Topic.STATISTICS.value)
        writing.execute(counted.values(value=revisions.c.value + 1))
    return rows_of


def _require_unserved(source: Database, connection: Connection) -> None:
    source.clock.read(connection)
    now = source.clock.now()
    for row in connection.execute(select(replicas).order_by(replicas.c.started_at)):
        place = f"process {row.pid} on {row.host}"
        if abs(now - row.heartbeat_at) < ALIVE_SECONDS:
            raise TransferRefused(
                f"{source.where} is served by {place}: stop it first (or wait {ALIVE_SECONDS:.0f} s if it has ended)"
            )
        if row.spooling_since is not None:
            raise TransferRefused(
                f"{place} has left requests in its spool ({row.spool}…): start a gateway there once more, so that they "
                f"are written to {source.where}, and stop it"
            )


def _require_whole(source: Database, connection: Connection) -> None:
    if connection.execute(select(exists().select_from(retired_months))).scalar_one():
        raise TransferRefused(
            f"{source.where} has months that are being retired: let a gateway run until that is done, or try again"
        )


def _lock(target: Database, connection: Connection) -> None:
    if target.sqlite:  # which has one writing transaction at a time
        return
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    connection.execute(text("LOCK TABLE routers, api_keys, decisions IN SHARE ROW EXCLUSIVE MODE"))


def _require_empty(target: Database, connection: Connection) -> None:
    for table in (decisions, routers, api_keys):
        if connection.execute(select(exists().select_from(table))).scalar_one():
            raise TransferRefused(
                f"{target.where} is not empty: its table {table.name} has rows; name another database or schema"
            )


def _copy(reading: Connection, writing: Connection, table: Table, revision: int, progress: Progress) -> int:
    write = _writer(writing, table)
    stream = reading.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
    rows, count = _rows(iter(stream), table, reading, revision), 0
    while some := list(islice(rows, ROWS_AT_ONCE)):
        write(some)
        count += len(some)
        progress(table.name, count)
    return count


def _rows(stream: Iterator[Any], table: Table, reading: Connection, revision: int) -> Iterator[tuple[object, ...]]:
    """The rows in the table's order of columns, with JSON as text and the target's revision."""
    encoded = [isinstance(column.type.dialect_impl(reading.dialect), JSON) for column in table.columns]
    revised = [table in _NUMBERED and column.name == "revision" for column in table.columns]
    if not any(encoded) and not any(revised):
        yield from map(tuple, stream)
        return
    for row in stream:
        yield tuple(
            revision if own else msgspec.json.encode(value).decode() if json and value is not None else value
            for value, json, own in zip(row, encoded, revised, strict=True)
        )


def _told(target: Database, table: Table, error: Exception) -> str:
    """Tell which row is refused, and why, without its values, which may be what people asked."""
    cause = getattr(error, "orig", None) or error
    context: str = getattr(getattr(cause, "diag", None), "context", None) or ""
    found = re.search(r'^COPY \w+, line \d+: "(\w+)', context)
    named = f"the row {found[1]}" if found else "a row"
    return (
        f"{target.where} refuses {named} of {table.name} ({first_line(cause)}): mend or delete it where it is; "
        "nothing was copied"
    )


def _writer(connection: Connection, table: Table) -> Callable[[Sequence[tuple[object, ...]]], None]:
    if connection.dialect.name == "postgresql":
        cursor = connection.connection.cursor()
        return lambda rows: Copy(table).write(cursor, rows)
    names = table.columns.keys()
    statement = insert(table)
    return lambda rows: _execute(connection, statement, [dict(zip(names, row, strict=True)) for row in rows])


def _execute(connection: Connection, statement: Any, rows: list[dict[str, object]]) -> None:
    connection.execute(statement, rows)


def _count(connection: Connection, table: Table) -> int:
    count: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return count
