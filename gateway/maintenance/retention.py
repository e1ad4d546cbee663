"""Deletes requests that are older than their router's `retention_days`, in batches, while the gateway serves."""

import logging
import threading
import time
from collections.abc import Callable

from bandit.types import Epoch
from gateway.maintenance.rebuild import rebuild_due, retention_of
from gateway.settings.router_options import OptionsError, RouterOptions
from storage.calendar import DAY
from storage.database.engine import Database
from storage.database.months import month_of
from storage.errors import DatabaseUnavailable
from storage.maintenance.retention import DELETED_AT_ONCE, Retention
from storage.stores.key_usage import KeyUsage
from storage.stores.routers import Routers

log = logging.getLogger(__name__)

FIRST_SECONDS = 30.0
"""Delay after a start, which has enough to do."""

FIRST_REBUILD_SECONDS = 1.0
"""Delay after a start of the rebuilds that are due: until they are done, models are chosen by the former sums."""

ROUND_SECONDS = 3_600.0
CLAIM_SECONDS = 0.9 * ROUND_SECONDS
"""A claim keeps other processes from deleting for this long: together they would occupy SQLite's only write lock."""

PAUSE = 4.0
"""Pause after a transaction, in lengths of the transaction: deleting takes up to a fifth of the time."""

SHORTEST_PAUSE_SECONDS = 0.05

STOP_SECONDS = 10.0

FOREVER = Epoch(0.0)
"""The cutoff of a router that keeps everything."""


class RetentionWorker:
    """A thread that deletes old requests. In each round one process of a ledger does so.

    It also does the rebuilds that are due: those of a start with changed half-lives, of an upgrade, and those that a
    process which died has left unfinished.
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
        """Finish the running transaction, if it takes no longer than `STOP_SECONDS`, and stop the thread."""
        self._stopped.set()
        self._thread.join(STOP_SECONDS)

    def delete_old(self) -> int:
        """Delete all requests that are too old now, and return their number. Raises DatabaseUnavailable.

        On PostgreSQL requests that are kept as long as any router keeps them go with their whole month; only their
        prompts and answers go on the day.
        """
        now, deleted = self._clock(), 0
        retention = retention_of(self._database)  # once: it compiles statements
        retention.add_months(now)
        cutoffs = self._cutoffs(now)
        last = min((at for at in cutoffs.values()), default=now)
        whole = month_of(last).start
        if not self._database.sqlite:
            self._retire(retention, whole, list(cutoffs))
        for router_id, before in cutoffs.items():
            if before == FOREVER:
                continue
            by_month = before == last and not self._database.sqlite
            deleted += self._in_pieces(retention.delete_some, router_id, whole if by_month else before)
            self._in_pieces(retention.delete_choices, router_id, whole if by_month else before)
            if by_month:
                self._in_pieces(retention.delete_contents, router_id, before)
        KeyUsage(self._database).delete_minutes(now)
        self._expire_activity(retention, now)
        return deleted

    def _expire_activity(self, retention: Retention, now: Epoch) -> None:
        """Delete the minutes and hours of activity that are no longer kept."""
        while not self._stopped.is_set():
            began = time.monotonic()
            if not retention.expire_activity(now):
                break
            self._pause(began)

    def _cutoffs(self, now: Epoch) -> dict[str, Epoch]:
        """The instant before which each router's requests are too old."""
        cutoffs, routers = {}, Routers(self._database)
        for record in (*routers.all(), *routers.deleted()):
            cutoffs[record.id] = FOREVER
            try:
                days = RouterOptions.from_json(record.settings).retention_days
            except OptionsError as error:
                log.warning(
                    "router %s keeps its old requests, because its settings can't be read: %s", record.id, error
                )
                continue
            if days is not None:
                cutoffs[record.id] = Epoch(now - days * DAY)
        return cutoffs

    def _retire(self, retention: Retention, before: Epoch, router_ids: list[str]) -> None:
        """Retire whole months, and move what they taught to the checkpoints."""
        for suffix in retention.retire_months(before, router_ids):
            log.info("the month %s is older than any router keeps its requests, and is retired", suffix)
        while not self._stopped.is_set():
            began = time.monotonic()
            if not retention.fold_some():
                break
            self._pause(began)

    def _in_pieces(self, delete: Callable[[str, Epoch], int], router_id: str, before: Epoch) -> int:
        deleted = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            count = delete(router_id, before)
            deleted += count
            if count < DELETED_AT_ONCE:
                break
            self._pause(began)
        return deleted

    def _pause(self, began: float) -> None:
        self._stopped.wait(max(SHORTEST_PAUSE_SECONDS, PAUSE * (time.monotonic() - began)))

    def _run(self) -> None:
        if not self._stopped.wait(min(FIRST_REBUILD_SECONDS, self._first_seconds)):
            self._attempt(self._rebuild)
        wait_seconds = self._first_seconds
        while not self._stopped.wait(wait_seconds):
            wait_seconds = ROUND_SECONDS
            self._attempt(self._rebuild)
            self._attempt(self._delete)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except DatabaseUnavailable as error:
            log.info("old requests are deleted and statistics rebuilt later: %s", error)
        except Exception:  # the thread must outlive its own mistakes
            log.exception("old requests could not be deleted, or statistics rebuilt")

    def _rebuild(self) -> None:
        for router_id in rebuild_due(self._database, self._clock()):
            log.info("the statistics of router %s are rebuilt", router_id)

    def _delete(self) -> None:
        claimed = retention_of(self._database).claim(self._clock(), CLAIM_SECONDS)
        if claimed and (deleted := self.delete_old()):
            log.info("%d requests were older than their routers keep them, and are deleted", deleted)
