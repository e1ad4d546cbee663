"""Waits for what a connection receives, with a time limit."""

import asyncio
import math

from gateway.providers.http.chunks import Shortcut
from gateway.providers.http.errors import Fault, TransportError

LATE = "the provider did not answer in time"


class Waiting:
    """One wait at a time. Its deadline, on the event loop's clock, is the shortcut's if it has one."""

    __slots__ = ("_deadline", "_loop", "_shortcut", "_timer", "_timer_at", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[bytes | None] | None = None
        self._shortcut: Shortcut | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = math.inf

    def _wait(self, deadline: float) -> "asyncio.Future[bytes | None]":
        """What is done once anything has been received, and fails at the deadline. Raises TransportError."""
        if self._loop.time() >= deadline:
            # If bytes keep arriving, the timer is cancelled before it fires: check here as well.
            raise TransportError(Fault.TIMEOUT, LATE)
        waiter = self._waiter = self._loop.create_future()
        self._deadline = deadline
        if deadline < self._timer_at:
            self._set_timer(deadline)
        return waiter

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, at: float) -> None:
        """Check the deadline at this time. One timer serves many waits: to set and cancel one for each costs more."""
        self._stop_timer()
        self._timer_at, self._timer = at, self._loop.call_at(at, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer_at, self._timer = math.inf, None
        if self._waiter is None or self._waiter.done():
            return
        if self._shortcut is not None:
            self._deadline = self._shortcut.deadline
        if self._loop.time() >= self._deadline:
            self._waiter.set_exception(TransportError(Fault.TIMEOUT, LATE))
        else:
            self._set_timer(self._deadline)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
