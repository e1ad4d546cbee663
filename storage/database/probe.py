"""Probe a database that is away."""

import logging
import threading

from storage.database.engine import Database
from storage.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

PROBE_SECONDS = 0.5


class Probe:
    """Probes the database until it can be written; then `returned` is set."""

    def __init__(self, database: Database) -> None:
        self.returned = threading.Event()
        self._database = database
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="ledger-probe", daemon=True).start()

    def stop(self) -> None:
        """Stop probing."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(PROBE_SECONDS):
            try:
                self._database.check_writable()
            except DatabaseUnavailable as error:
                log.debug("%s", error)
            else:
                self.returned.set()
                return
