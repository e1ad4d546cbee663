"""Decides which transactions leave their events to a fold, and when the fold is due."""

import time
from collections.abc import Callable

FOLD_SECONDS = 0.5
"""How long events are pending at most while records come in."""

DIRECT = 50
"""Items in `FOLD_SECONDS` that add to statistics and roll-ups themselves: below 100 a second these are exact.

If there were more in the `FOLD_SECONDS` before, none does.
"""

MOST_ROWS = 300
"""A larger transaction adds to them itself: its requests share that."""

MOST_LEFT = 1_600
"""A fold is due when transactions of so many rows, about 500 requests, wait: nothing is written while it lasts."""


class Deferring:
    """Counts items by time. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = float("-inf")
        self._count = 0  # of items since then
        self._direct = DIRECT  # of these
        self._left = 0  # rows of this process's transactions whose events may be pending
        self._left_since = 0.0

    def defers(self, items: int, rows: int) -> bool:
        """Test whether a transaction of so many items and rows is to leave its events now, and count it."""
        now = self._clock()
        passed = now - self._began
        if passed >= FOLD_SECONDS:
            was_busy = self._count > DIRECT and passed < 2.0 * FOLD_SECONDS
            self._began, self._count, self._direct = now, 0, 0 if was_busy else DIRECT
        self._count += items
        return self._count > self._direct and rows <= MOST_ROWS

    def left(self, rows: int) -> None:
        """Note that a transaction of so many rows may have left its events."""
        if not self._left:
            self._left_since = self._clock()
        self._left += max(1, rows)

    def is_due(self, *, idle: bool) -> bool:
        """Test whether there is something to fold now: if there is nothing else to do, at once."""
        if not self._left:
            return False
        return idle or self._left >= MOST_LEFT or self._clock() - self._left_since >= FOLD_SECONDS

    def folded(self, *, more: bool) -> bool:
        """Note that events were folded, and whether there may be more. Returns whether the last left here were."""
        if more or not self._left:
            return False
        self._left = 0
        return True
