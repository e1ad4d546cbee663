"""Keeps a thread that works in the background off the processor while others want it."""

import time
from collections.abc import Callable

INTERRUPTED_SECONDS = 3e-5
"""Of a step during which the thread did not run: somebody else did."""
PAUSE_SECONDS = 1.5e-3
"""About what a completion takes, its waits for a provider near by and for its commit included."""


class Pauses:
    """Called between steps of up to a millisecond: pauses if the thread was interrupted in the step before.

    A completion gets the processor at once from a thread of the lowest priority, but wants it four times: for its
    request, its provider's answer, its record and its own answer. If the thread works between them, each may find it
    there, and the caches cold.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        worked: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._worked, self._sleep = clock, worked, sleep
        self.begin()

    def begin(self) -> None:
        """Forget what was before, such as the wait for work."""
        self._began_at, self._had_worked = self._clock(), self._worked()

    def __call__(self) -> None:
        """Pause if it was interrupted since the last call."""
        seconds, worked = self._clock() - self._began_at, self._worked() - self._had_worked
        if seconds - worked > INTERRUPTED_SECONDS:
            self._sleep(PAUSE_SECONDS)
        self.begin()
