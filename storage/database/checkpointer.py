"""Checkpoints SQLite's write-ahead log (WAL) beside the writer, so that no commit does.

A commit only appends to the log. A checkpoint copies what is in it to the database's file, and syncs both: tens of
milliseconds. The log begins anew when all of it was copied and nobody reads from it, which under load never happens by
itself: so the last, small part is copied while writing is locked out.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

from storage.database import sqlite
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""Between two looks at the number of commits."""

AFTER_COMMITS = 50
"""Commits that are worth a checkpoint."""

LOCKED_SECONDS = 0.02
"""How long to wait, with writing locked out, until nobody reads from a log of `RESTART_PAGES`; in proportion if it has
more, so that it ends even if there are always some who read."""

LONGEST_LOCKED_SECONDS = 0.25

STOP_SECONDS = 5.0


class Checkpointer:
    """A thread that checkpoints once there were enough commits, with a connection for each time."""

    def __init__(self, database: Database, commits: Callable[[], int]) -> None:
        self._database = database
        self._commits = commits
        self._known = 0
        self._failing = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-checkpointer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread. A checkpoint that takes long ends with the process: the log has all of it."""
        self._closing.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            commits = self._commits()
            if commits - self._known < AFTER_COMMITS:
                continue
            self._known = commits
            try:
                checkpoint(self._database)
                self._failing = False
            except (DatabaseUnavailable, sqlite3.Error) as error:
                if not self._failing:
                    log.warning("the write-ahead log of %s grows: %s", self._database.where, error)
                self._failing = True
            except Exception:  # the thread must outlive its own mistakes
                log.exception("the write-ahead log could not be checkpointed")


def checkpoint(database: Database) -> None:
    """Copy the log to the database's file without a lock; begin it anew if it is long. Raises DatabaseUnavailable.

    1. PASSIVE copies all that nobody reads an older state of, while others read and write.
    2. RESTART copies what was committed meanwhile, with writing locked out, and waits for those who read from the log.
       Not if one reads an old state: it would be waited for in vain, and commits with it. The log grows until that has
       ended, and is cut then (`journal_size_limit`).
    """
    # A connection that is kept would hold a file that a restore replaces.
    with database.errors_as_ours(), closing(database.unpooled.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 0")
        _, pages, copied = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages < sqlite.RESTART_PAGES or pages - copied > sqlite.CHECKPOINT_PAGES:
            return
        seconds = min(LOCKED_SECONDS * pages / sqlite.RESTART_PAGES, LONGEST_LOCKED_SECONDS)
        cursor.execute(f"PRAGMA busy_timeout = {round(1_000 * seconds)}")
        cursor.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
