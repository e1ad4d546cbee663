"""Decides which transactions leave their events to a fold, and when which part of them is folded."""

import time
from collections.abc import Callable

from storage.pending_events import PARTS

FOLD_SECONDS = 1.0
"""How long events are pending at most, about, while records come in: the longer, the more of them share a row."""

WINDOW_SECONDS = 0.5
DIRECT = 50
"""Items in `WINDOW_SECONDS` that add to statistics and roll-ups themselves: below 100 a second these are exact.

If there were more in the `WINDOW_SECONDS` before, none does.
"""

MOST_ROWS = 300
"""A larger transaction adds to them itself: its requests share that."""

MOST_LEFT = 500
"""A part is folded when so many of its requests and scores wait: nothing is written while a fold lasts."""


class Deferring:
    """Counts items by time. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = float("-inf")
        self._count = 0  # of items since then
        self._direct = DIRECT  # of these
        self._left = [0] * PARTS  # items of this process that may be pending
        self._turn = 0
        self._turned = float("-inf")

    def defers(self, items: int, rows: int) -> bool:
        """Test whether a transaction of so many items and rows is to leave its events now, and count it."""
        now = self._clock()
        passed = now - self._began
        if passed >= WINDOW_SECONDS:
            was_busy = self._count > DIRECT and passed < 2.0 * WINDOW_SECONDS
            self._began, self._count, self._direct = now, 0, 0 if was_busy else DIRECT
        self._count += items
        return self._count > self._direct and rows <= MOST_ROWS

    def left(self, part: int, items: int) -> None:
        """Note that a transaction may have left the events of so many items."""
        self._left[part] += max(1, items)

    @property
    def any_left(self) -> bool:
        """Whether something that was noted has not been folded."""
        return any(self._left)

    def due(self) -> int | None:
        """The part to fold now, between two transactions: one of which much waits, or the next in turn."""
        fullest = max(range(PARTS), key=self._left.__getitem__)
        if self._left[fullest] >= MOST_LEFT:
            return fullest
        now = self._clock()
        if now - self._turned < FOLD_SECONDS / PARTS:
            return None
        self._turned = now
        self._turn = (self._turn + 1) % PARTS
        return self._turn if self._left[self._turn] else None

    def folded(self, part: int | None = None) -> set[int]:
        """Note that a part was folded, or all. Returns those of which something was left."""
        folded = {each for each in (range(PARTS) if part is None else (part,)) if self._left[each]}
        for each in folded:
            self._left[each] = 0
        return folded
