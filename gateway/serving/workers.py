"""`serve --workers N`: processes that accept on one socket, kept alive by a parent that does nothing else."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType

from gateway.serving.socket import ServerError
from storage.errors import LedgerError

log = logging.getLogger(__name__)

STOPS = (signal.SIGTERM, signal.SIGINT)
YOUNG_SECONDS = 5.0
MOST_EARLY_DEATHS = 3
"""So many workers in a row that die young end the whole: it would not get better."""

Work = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class _Worker:
    """One process, and when it was started (monotonic)."""

    process: ForkProcess
    started: float


class Supervisor:
    """Starts the workers, replaces those that die, and ends them when it is told to end."""

    def __init__(self, count: int, work: Work) -> None:
        self._count = count
        self._work = work
        self._workers: list[_Worker] = []
        self._stops = 0
        self._early_deaths = 0
        self._alive, self._mine = os.pipe()  # closed when this process is gone, however it went

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. `work` hears whether it is the first worker. Raises ServerError."""
        before = {sig: signal.signal(sig, self._stop) for sig in STOPS}
        try:
            for number in range(self._count):
                self._start(first=number == 0)
            while self._workers:
                ended = wait([worker.process.sentinel for worker in self._workers], timeout=1.0)
                for worker in [each for each in self._workers if each.process.sentinel in ended]:
                    self._bury(worker)
        finally:
            os.close(self._mine)
            os.close(self._alive)
            for sig, handler in before.items():
                signal.signal(sig, handler)
        if self._early_deaths >= MOST_EARLY_DEATHS:
            raise ServerError("the workers die as soon as they are started; the log above says why")

    def _bury(self, worker: _Worker) -> None:
        worker.process.join()
        self._workers.remove(worker)
        if self._stops:
            return
        log.error("worker %s ended with status %s", worker.process.pid, worker.process.exitcode)
        young = time.monotonic() - worker.started < YOUNG_SECONDS
        self._early_deaths = self._early_deaths + 1 if young else 0
        if self._early_deaths >= MOST_EARLY_DEATHS:
            self._stop(signal.SIGTERM, None)
        else:
            self._start(first=False)

    def _start(self, *, first: bool) -> None:
        """Fork a worker. Signals wait meanwhile: one that came between would reach neither or both."""
        process = get_context("fork").Process(target=self._be_worker, args=(first,))
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            if not self._stops:
                process.start()
                self._workers.append(_Worker(process, time.monotonic()))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _be_worker(self, first: bool) -> None:
        """In the child: a process group of its own, so that a terminal's Ctrl+C reaches the parent alone."""
        os.setpgid(0, 0)
        os.close(self._mine)
        for sig in STOPS:
            signal.signal(sig, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        threading.Thread(target=self._outlive_nobody, daemon=True).start()
        try:
            self._work(first)
        except (ServerError, LedgerError) as error:
            log.error("%s", error)
            raise SystemExit(1) from None

    def _outlive_nobody(self) -> None:
        """End this worker when the parent is gone."""
        os.read(self._alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask every worker to finish; asked again, to finish at once."""
        self._stops += 1
        asked = signal.SIGTERM if self._stops == 1 else signal.SIGINT
        for worker in self._workers:
            if worker.process.pid is not None and worker.process.is_alive():
                os.kill(worker.process.pid, asked)
