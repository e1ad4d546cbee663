"""Follows what other processes change: looks when told that there is something to see, and now and then anyway."""

import time
from collections.abc import Callable

from storage.database.engine import Database
from storage.database.watchdog import Watchdog
from storage.replication.changes import Changed, Changes, Position
from storage.replication.notifications import Listener
from storage.writing.transaction import Transactions

SQLITE_SECONDS = 0.1
"""Between looks at SQLite's data version, which costs microseconds."""

POSTGRESQL_SECONDS = 1.0
"""Between looks at PostgreSQL without being told: notifications can be lost, above all around a reconnection."""

BUSY_SECONDS = 0.1
"""Between looks at PostgreSQL when others change something all the time."""


class Follower:
    """Calls `follow` with what has changed; for the thread that writes."""

    def __init__(
        self,
        database: Database,
        batches: Transactions,
        follow: Callable[[Changed], None],
        watchdog: Watchdog | None,
        position: Position | None,
    ) -> None:
        self._batches = batches
        self._follow = follow
        self._changes = Changes(database, watchdog, position)
        self._listener = None if database.sqlite else Listener(database)
        self._longest = SQLITE_SECONDS if database.sqlite else POSTGRESQL_SECONDS
        self._looked = float("-inf")

    def look(self) -> None:
        """Look, if it is time to. Raises DatabaseUnavailable."""
        waited = time.monotonic() - self._looked
        told = self._listener is not None and self._listener.told.is_set() and waited >= BUSY_SECONDS
        if waited < self._longest and not told:
            return
        if self._listener is not None:
            self._listener.told.clear()
        self._looked = time.monotonic()
        changed = self._changes.look(self._batches.version())
        if changed is not None:
            self._follow(changed)

    def announce(self) -> None:
        """This process has committed something that others hold copies of."""
        if self._listener is not None:
            self._listener.announce()

    def lose_sight(self) -> None:
        """The database was away: at the next look everything counts as changed."""
        self._changes.forget()
        self._looked = float("-inf")

    def close(self) -> None:
        """Listen no longer."""
        self._changes.close()
        if self._listener is not None:
            self._listener.close()
