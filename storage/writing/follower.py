"""Polls for other processes' changes: after a notification, and else at an interval."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from storage.database.engine import Database
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseTimeout
from storage.replication.changes import Changed, Changes, NotFolded, Position
from storage.replication.notifications import Listener
from storage.writing.transaction import Transactions

log = logging.getLogger(__name__)

SQLITE_SECONDS = 0.1
"""Between polls of SQLite's data version, which takes microseconds."""

POSTGRESQL_SECONDS = 1.0
"""Between polls of PostgreSQL without a notification, because notifications can be lost, as by a reconnection."""

BUSY_SECONDS = 0.1
"""Between polls of PostgreSQL under a stream of notifications, at least."""

MOST_PATIENCE = 4.0
"""After polls that took too long the watchdog's limit is multiplied by up to this, and the time between polls, because
records wait meanwhile, by its square."""


class Follower:
    """Calls `follow` with the changes, and after folds, in the writer's thread."""

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
        self._own_numbers = transactions.own_numbers  # when changes were read for the last time
        self.followed = time.monotonic()  # when changes were read for the last time
        self._patience = 1.0

    def poll(self) -> None:
        """Poll, if it is time to. Raises DatabaseUnavailable.

        If reading takes too long, although the database answers, it is tried again later and with more patience:
        nobody waits for it, and what is written is not at fault.
        """
        self._tell(None)  # at once: what is committed next is not folded yet
        waited = time.monotonic() - self._polled
        notified = self._listener is not None and self._listener.notified.is_set() and waited >= BUSY_SECONDS
        if waited < self._longest * self._patience**2 and not (notified and self._patience == 1.0):
            return
        if self._listener is not None:
            self._listener.notified.clear()
        self._polled = time.monotonic()
        self._tell(self._changed())

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

    def _tell(self, changed: Changed | None) -> None:
        folded = self._transactions.folded
        if folded:
            changed = replace(changed or Changed(), folded=frozenset(folded))
            folded.clear()
        if changed is not None:
            self._follow(changed)

    def _changed(self) -> Changed | None:
        """What has changed, if it could be read."""
        version = self._transactions.version()
        if self._changes.is_known(version):
            self._patience, self.followed = 1.0, self._polled
            return None
        try:
            if self._transactions.others_have_left():
                self._fold()
            try:
                changed = self._read(version)
            except NotFolded:
                self._fold()
                changed = self._read(version)
        except DatabaseTimeout as error:
            self._patience = min(MOST_PATIENCE, 2.0 * self._patience)
            log.warning("the changes of other processes are read later: %s", error)
            return None
        self._patience, self.followed, self._own_numbers = 1.0, self._polled, self._transactions.own_numbers
        return changed

    def _read(self, version: str | None) -> Changed | None:
        transactions = self._transactions
        own_numbers = transactions.own_numbers - self._own_numbers
        return self._changes.poll(version, self._patience, own_numbers, is_folded=not transactions.has_left)

    def _fold(self) -> None:
        """Fold all pending events.

        What is read then replaces what is known, and would lack what this process has left. What others have left, also
        those that were killed, is read with it.
        """
        while self._transactions.fold_some():
            pass
