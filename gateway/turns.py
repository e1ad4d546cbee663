"""Short turns of the GIL, while threads do work that completions should not wait for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_SECONDS = 0.0005
"""How long such work keeps the GIL from the event loop. Python's usual 5 ms, several times a completion, add up."""


class Turns:
    """Lets threads take turns more often while any such work goes on. For the event loop alone."""

    def __init__(self) -> None:
        self._count = 0
        self._usual = sys.getswitchinterval()

    @contextmanager
    def short(self) -> Iterator[None]:
        """Take short turns inside the block. Not for ever: under load that costs some percent of the answers a second.

        Blocks may overlap: the last one to end restores the usual interval.
        """
        if self._count == 0:
            self._usual = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_SECONDS)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                sys.setswitchinterval(self._usual)
