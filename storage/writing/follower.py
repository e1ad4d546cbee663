"""Polls for other processes' changes: after a notification, and else at an interval."""

import time
from collections.abc import Callable

from storage.database.engine import Database
from storage.database.watchdog import Watchdog
from storage.replication.changes import Changed, Changes, Position
from storage.replication.notifications import Listener
from storage.writing.transaction import Transactions

SQLITE_SECONDS = 0.1
"""Between polls of SQLite's data version, which takes microseconds."""

POSTGRESQL_SECONDS = 1.0
"""Between polls of PostgreSQL without a notification, because notifications can be lost, as by a reconnection."""

BUSY_SECONDS = 0.1
"""Between polls of PostgreSQL under a stream of notifications, at least."""


class Follower:
    """Calls `follow` with the changes, in the writer's thread."""

    def __init__(
        self,
        database: Database,
        transactions: Transactions,
        follow: Callable[[Changed], None],
        watchdog: Watchdog | None,
        position: Position | None,
    ) -> None:
        self._transactions = transactions
        self._follow = follow
        self._changes = Changes(database, watchdog, position)
        self._listener = None if database.sqlite or database.pooler else Listener(database)
        self._longest = SQLITE_SECONDS if database.sqlite else POSTGRESQL_SECONDS
        self._polled = float("-inf")

    def poll(self) -> None:
        """Poll, if it is time to. Raises DatabaseUnavailable."""
        waited = time.monotonic() - self._polled
        notified = self._listener is not None and self._listener.notified.is_set() and waited >= BUSY_SECONDS
        if waited < self._longest and not notified:
            return
        if self._listener is not None:
            self._listener.notified.clear()
        self._polled = time.monotonic()
        changed = self._changes.poll(self._transactions.version())
        if changed is not None:
            if self._changes.restored:
                self._transactions.forget()
            self._follow(changed)

    def notify(self) -> None:
        """Notify the other processes of a commit of this one."""
        if self._listener is not None:
            self._listener.notify()

    def reset(self) -> None:
        """Read everything at the next poll, because the database was unavailable."""
        self._changes.forget()
        self._polled = float("-inf")

    def close(self) -> None:
        """Stop polling and listening."""
        self._changes.close()
        if self._listener is not None:
            self._listener.close()
