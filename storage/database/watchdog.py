"""Watchdog of database calls: a frozen server, or one behind a dead network, neither answers nor fails.

It watches for progress, not for duration: a call of many statements, or of many megabytes, may take long as long as it
gets on.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from storage.errors import DatabaseTimeout, DatabaseUnavailable

HANGING_SECONDS = 4.0
"""A call that makes no progress for longer counts as hanging."""

_LOOK_SECONDS = 0.5


class Connected(Protocol):
    """A driver's connection over a socket."""

    def fileno(self) -> int:
        """Return the socket's descriptor. Raises the driver's error if it is closed."""
        ...


class Watchdog:
    """A thread that shuts the socket of a connection whose call hangs, so that the call fails at once."""

    def __init__(self) -> None:
        self._seconds = HANGING_SECONDS
        self._lock = threading.Lock()
        self._watched: Connected | None = None
        self._since = 0.0
        self._limit = self._seconds
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="ledger-watch", daemon=True).start()

    @contextmanager
    def over(self, connection: Connected, patience: float = 1.0) -> Iterator[None]:
        """Watch the connection during the block, with `patience` times the usual limit. One block at a time.

        Raises DatabaseTimeout instead of DatabaseUnavailable if that is why.
        """
        limit = self._seconds * patience
        with self._lock:
            self._watched, self._since, self._limit = connection, time.monotonic(), limit
        try:
            yield
        except DatabaseUnavailable as error:
            with self._lock:
                ended = self._watched is None
            if ended:
                raise DatabaseTimeout(f"the database made no progress for {limit:.1f} s ({error})") from error
            raise
        finally:
            with self._lock:
                self._watched = None

    @property
    def progressed(self) -> float:
        """When a call last made progress, or began (monotonic seconds)."""
        return self._since

    def progress(self) -> None:
        """Start the limit anew: the call gets on. From the thread that is in the block."""
        self._since = time.monotonic()

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            with self._lock:
                if self._watched is not None and time.monotonic() - self._since > self._limit:
                    _shut(self._watched)
                    self._watched = None


def _shut(connection: Connected) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
