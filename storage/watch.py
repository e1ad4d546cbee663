"""Ends a write that hangs: a server that is frozen, or behind a dead network, neither answers nor fails by itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

HANGING_SECONDS = 5.0
"""After so long a write counts as hanging. PostgreSQL's own time limits are shorter, where it still keeps them."""

_LOOK_SECONDS = 0.5


class Interruptible(Protocol):
    """What can be made to fail from another thread."""

    def interrupt(self) -> None:
        """Make what is under way fail."""
        ...


class Watch:
    """A thread that interrupts what takes too long."""

    def __init__(self) -> None:
        self._seconds = HANGING_SECONDS
        self._lock = threading.Lock()
        self._watched: Interruptible | None = None
        self._since = 0.0
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="ledger-watch", daemon=True).start()

    @contextmanager
    def over(self, watched: Interruptible) -> Iterator[None]:
        """Interrupt it where the block takes too long."""
        with self._lock:
            self._watched, self._since = watched, time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._watched = None

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            with self._lock:
                if self._watched is not None and time.monotonic() - self._since > self._seconds:
                    self._watched.interrupt()
                    self._watched = None
