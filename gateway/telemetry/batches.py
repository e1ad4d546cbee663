"""A thread that works on entries in batches: whoever adds one pays for a queue's `put`, and never waits."""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import sleep
from typing import Generic, TypeVar

T = TypeVar("T")

GATHER_SECONDS = 0.05
"""Time from the first entry of a batch to its handling: the thread wakes up for batches, not for entries."""
IDLE_SECONDS = 10.0
IDLE_TIMES = 3
"""How often `handle` is called without entries before the thread ends."""
FLUSH_SECONDS = 2.0
MOST_WAITING = 10_000


class BatchThread(Generic[T]):
    """Calls `handle` in a thread, with all entries that have gathered, and without any after each idle time.

    The thread starts with an entry and ends after a few idle times, or objects that nobody uses any more would keep
    their threads. After a fork the child has a queue and a thread of its own. `handle` must not raise.
    """

    def __init__(self, name: str, handle: Callable[[Sequence[T]], None], limit: int = MOST_WAITING) -> None:
        self._name = name
        self._handle = handle
        self._limit = limit
        self._reset()
        itself = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: _call(itself))

    def put(self, entry: T) -> bool:
        """Add an entry; False if there is no room. Thread-safe."""
        if self._queue.qsize() >= self._limit:
            return False
        self._queue.put(entry)
        if self._thread is None:  # looked at after the entry is there: see `_end`
            self._start()
        return True

    def flush(self) -> None:
        """Return when what was added is handled, or after `FLUSH_SECONDS`: what is stuck must not keep us."""
        if self._thread is not None or not self._queue.empty():
            done = threading.Event()
            self._queue.put(done)
            if self._thread is None:
                self._start()
            done.wait(FLUSH_SECONDS)

    def _reset(self) -> None:
        self._queue: SimpleQueue[T | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        idle = 0
        while idle < IDLE_TIMES or not self._end():
            gathered = self._gather()
            idle = 0 if gathered else idle + 1
            self._handle([each for each in gathered if not isinstance(each, threading.Event)])
            for each in gathered:
                if isinstance(each, threading.Event):
                    each.set()

    def _end(self) -> bool:
        """Whether the thread may end: an entry that comes from now on starts another."""
        with self._start_lock:
            thread, self._thread = self._thread, None
            if self._queue.empty():
                return True
            self._thread = thread  # an entry has come meanwhile, whose `put` may have seen this thread still
            return False

    def _gather(self) -> "list[T | threading.Event]":
        try:
            gathered = [self._queue.get(timeout=IDLE_SECONDS)]
        except Empty:
            return []
        if not isinstance(gathered[0], threading.Event):
            sleep(GATHER_SECONDS)
        return [*gathered, *(self._queue.get_nowait() for _ in range(self._queue.qsize()))]


def _call(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    found = method()
    if found is not None:
        found()
