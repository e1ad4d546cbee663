"""Notifications between processes, by PostgreSQL's LISTEN and NOTIFY.

NOTIFY serialises the commits of all transactions that use it, so the writer's transactions don't: this thread sends for
it, on a connection of its own, up to 20 times a second.
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
from storage.database.watchdog import Watchdog

log = logging.getLogger(__name__)

SEND_SECONDS = 0.05
"""Between two notifications that are sent, at most."""

RECONNECTING_SECONDS = 0.5


class Listener:
    """A thread that sets `notified` after a notification of another process, or if it may have missed one."""

    def __init__(self, database: Database) -> None:
        self.notified = threading.Event()
        self._database = database
        self._errors = (DBAPIError, PoolTimeout, database.engine.dialect.loaded_dbapi.Error)
        self._name = os.urandom(8).hex()
        self._watchdog = Watchdog()  # the thread would hang with a frozen server, and who stops waits for it
        self._pending = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-listener", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Notify the other processes soon."""
        self._pending.set()

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self._thread.join()
        self._watchdog.close()

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
        with self._watchdog.over(connection):
            connection.execute(f"LISTEN {CHANNEL}")
        self.notified.set()  # earlier notifications are lost
        while not self._closed.is_set():
            if self._pending.is_set():
                self._pending.clear()
                with self._watchdog.over(connection):
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self._name))
            for notification in connection.notifies(timeout=SEND_SECONDS):
                if notification.payload != self._name:
                    self.notified.set()
