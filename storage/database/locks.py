"""Locks of PostgreSQL that a block holds, on a connection of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import TextClause, text

from storage.database.engine import Database


@contextmanager
def holding(database: Database, lock: TextClause) -> Iterator[None]:
    """Wait for a lock for as long as it takes, and hold it until the end of the block; at once on SQLite.

    Raises DatabaseUnavailable.
    """
    if database.sqlite:
        yield
        return
    with database.errors_as_ours(), database.unpooled.connect() as connection:
        for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        connection.execute(lock)
        yield
