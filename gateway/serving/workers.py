"""Supervises the processes of `serve --workers N`, which accept connections on one shared socket."""

import contextlib
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
EARLY_SECONDS = 5.0
MAX_EARLY_EXITS = 3
"""After this many early exits in a row the supervisor gives up: the next worker would fail the same way."""

Work = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class _Worker:
    """One process and when it was started (monotonic)."""

    process: ForkProcess
    started: float


class Supervisor:
    """Starts worker processes, replaces those that die, stops them when it is stopped, and passes SIGHUP on to them.

    `read_again` is called at a SIGHUP before it is passed on: workers that start later have what the others read.
    """

    def __init__(self, count: int, work: Work, read_again: Callable[[], None] = lambda: None) -> None:
        self._count = count
        self._work = work
        self._read_again = read_again
        self._hangups, self._hangup = os.pipe()
        os.set_blocking(self._hangup, False)
        self._workers: list[_Worker] = []
        self._first_stop: int | None = None
        self._early_exits = 0
        self._parent_read, self._parent_write = os.pipe()

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. Each worker calls `work`, the first one with True. Raises ServerError."""
        before = {sig: signal.signal(sig, self._stop) for sig in STOPS}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._reload)
        try:
            for number in range(self._count):
                self._start(first=number == 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
            while self._workers:
                ended = wait([self._hangups, *(worker.process.sentinel for worker in self._workers)], timeout=1.0)
                if self._hangups in ended:
                    os.read(self._hangups, 4_096)
                    self._let_later_workers_read()
                    self._pass_on(signal.SIGHUP)
                for worker in [each for each in self._workers if each.process.sentinel in ended]:
                    self._handle_exit(worker)
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
            for descriptor in (self._parent_write, self._parent_read, self._hangup, self._hangups):
                os.close(descriptor)
        if self._early_exits >= MAX_EARLY_EXITS:
            raise ServerError("the workers die as soon as they are started; the log above says why")

    def _handle_exit(self, worker: _Worker) -> None:
        worker.process.join()
        self._workers.remove(worker)
        if self._first_stop is not None:
            return
        log.error("worker %s ended with status %s", worker.process.pid, worker.process.exitcode)
        early = time.monotonic() - worker.started < EARLY_SECONDS
        self._early_exits = self._early_exits + 1 if early else 0
        if self._early_exits >= MAX_EARLY_EXITS:
            self._stop(signal.SIGINT, None)  # nobody is to be told by draining
        else:
            self._start(first=False)

    def _start(self, *, first: bool) -> None:
        process = get_context("fork").Process(target=self._run_worker, args=(first,))
        # A signal between the fork and `append` would reach neither process, or both: block them meanwhile.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPS, signal.SIGHUP])
        try:
            if self._first_stop is None:
                process.start()
                self._workers.append(_Worker(process, time.monotonic()))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _run_worker(self, first: bool) -> None:
        # Ctrl+C in a terminal signals the whole group: in its own group a worker is stopped by the parent alone.
        os.setpgid(0, 0)
        os.close(self._parent_write)
        for sig in (*STOPS, signal.SIGHUP):  # SIGHUP stays blocked until the worker handles it
            signal.signal(sig, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        threading.Thread(target=self._exit_with_parent, daemon=True).start()
        try:
            self._work(first)
        except (ServerError, LedgerError) as error:
            log.error("%s", error)
            raise SystemExit(1) from None
        finally:
            logging.shutdown()  # a forked process ends without the interpreter's own

    def _exit_with_parent(self) -> None:
        # Blocks until the parent's end is closed, which the system does however the parent ends.
        os.read(self._parent_read, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self, asked: int, _frame: FrameType | None) -> None:
        """Pass a signal on to every worker: the first one stops it gracefully, the second cancels what still runs."""
        # The same signal twice is one to a worker that did not run in between: the second is always the other one.
        if self._first_stop is None:
            self._first_stop = asked
        elif asked == self._first_stop:
            asked = signal.SIGINT if asked == signal.SIGTERM else signal.SIGTERM
        self._pass_on(asked)

    def _reload(self, _signal: int, _frame: FrameType | None) -> None:
        """Wake `run`, which reads the configuration again: a handler must not take that long."""
        with contextlib.suppress(BlockingIOError):  # it has thousands of them to read already
            os.write(self._hangup, b"H")

    def _let_later_workers_read(self) -> None:
        try:
            self._read_again()
        except Exception:  # the workers serve on, and need their parent
            log.exception("the parent of the workers could not read the configuration again")

    def _pass_on(self, asked: int) -> None:
        for worker in self._workers:
            if worker.process.pid is not None and worker.process.is_alive():
                os.kill(worker.process.pid, asked)
