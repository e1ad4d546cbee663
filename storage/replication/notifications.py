"""Hears from other processes, through PostgreSQL's LISTEN and NOTIFY, that something has changed, and tells them.

NOTIFY serialises the commits of all transactions that use it, so the writer's own do not: this thread speaks for it,
on its own connection, a few times a second.
"""

import contextlib
import logging
import os
import threading
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.database.engine import Database
from storage.database.revisions import CHANNEL

log = logging.getLogger(__name__)

SPEAKING_SECONDS = 0.05
"""How long a change may wait to be announced."""

RECONNECTING_SECONDS = 0.5


class Listener:
    """A thread that sets `told` when another process has announced a change, or may have while it could not listen."""

    def __init__(self, database: Database) -> None:
        self.told = threading.Event()
        self._database = database
        self._errors = (DBAPIError, PoolTimeout, database.engine.dialect.loaded_dbapi.Error)
        self._name = os.urandom(8).hex()
        self._news = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-listener", daemon=True)
        self._thread.start()

    def announce(self) -> None:
        """Tell the others soon."""
        self._news.set()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                holder = self._database.unpooled.raw_connection()
            except self._errors as error:
                log.debug("no connection to listen on: %s", error)
                self._closed.wait(RECONNECTING_SECONDS)
                continue
            try:
                self._listen(holder.driver_connection)
            except self._errors as error:
                log.info("listening is interrupted: %s", error)
                self._closed.wait(RECONNECTING_SECONDS)
            finally:
                with contextlib.suppress(*self._errors):
                    holder.invalidate()

    def _listen(self, connection: Any) -> None:
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        self.told.set()  # what was announced before is lost
        while not self._closed.is_set():
            if self._news.is_set():
                self._news.clear()
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self._name))
            for heard in connection.notifies(timeout=SPEAKING_SECONDS):
                if heard.payload != self._name:
                    self.told.set()
