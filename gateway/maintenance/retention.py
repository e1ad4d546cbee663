"""Deletes requests that are older than their router's `retention_days`, in batches, while the gateway serves."""

import logging
import threading
import time
from collections.abc import Callable

from bandit.types import Epoch
from gateway.maintenance.rebuild import rebuild_due, retention_of
from gateway.routing.daily_spend import DAY_SECONDS
from gateway.settings.router_options import OptionsError, RouterOptions
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from storage.maintenance.retention import DELETED_AT_ONCE
from storage.stores.routers import Routers

log = logging.getLogger(__name__)

FIRST_SECONDS = 30.0
"""Delay after a start, which has enough to do."""

ROUND_SECONDS = 3_600.0
CLAIM_SECONDS = 0.9 * ROUND_SECONDS
"""A claim keeps other processes from deleting for this long: together they would occupy SQLite's only write lock."""

PAUSE = 4.0
"""Pause after a transaction, in lengths of the transaction: deleting takes up to a fifth of the time."""

SHORTEST_PAUSE_SECONDS = 0.05


class RetentionWorker:
    """A thread that deletes old requests. In each round one process of a ledger does so.

    It also finishes the rebuilds that a process which died has left unfinished.
    """

    def __init__(self, database: Database, clock: Callable[[], Epoch], first_seconds: float = FIRST_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._first_seconds = first_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-retention", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish the running transaction, and stop the thread."""
        self._stopped.set()
        self._thread.join()

    def delete_old(self) -> int:
        """Delete all requests that are too old now, and return their number. Raises DatabaseUnavailable."""
        deleted, routers = 0, Routers(self._database)
        for record in (*routers.all(), *routers.deleted()):
            try:
                days = RouterOptions.from_json(record.settings).retention_days
            except OptionsError as error:
                log.warning(
                    "router %s keeps its old requests, because its settings can't be read: %s", record.id, error
                )
                continue
            if days is not None:
                deleted += self._delete_before(record.id, Epoch(self._clock() - days * DAY_SECONDS))
        return deleted

    def _delete_before(self, router_id: str, before: Epoch) -> int:
        deleted = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            # Made anew: a round may take hours, and the router's half-lives may be changed meanwhile.
            count = retention_of(self._database, router_id).delete_some(router_id, before)
            deleted += count
            if count < DELETED_AT_ONCE:
                break
            self._stopped.wait(max(SHORTEST_PAUSE_SECONDS, PAUSE * (time.monotonic() - began)))
        return deleted

    def _run(self) -> None:
        wait_seconds = self._first_seconds
        while not self._stopped.wait(wait_seconds):
            wait_seconds = ROUND_SECONDS
            try:
                for router_id in rebuild_due(self._database, self._clock()):
                    log.info("the statistics of router %s are rebuilt, which no process had finished", router_id)
                claimed = retention_of(self._database).claim(self._clock(), CLAIM_SECONDS)
                if claimed and (deleted := self.delete_old()):
                    log.info("%d requests were older than their routers keep them, and are deleted", deleted)
            except DatabaseUnavailable as error:
                log.info("old requests are deleted later: %s", error)
            except Exception:  # the thread must outlive its own mistakes
                log.exception("old requests could not be deleted")
