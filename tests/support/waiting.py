"""Waits for what other threads and processes bring about."""

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.01
"""Between two checks: other threads of this process need the interpreter meanwhile."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Check again and again until the condition holds. Raises AssertionError that names what did not come about.

    `seconds` is a safety net for slow machines, not a promise of the product.
    """
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(PAUSE_SECONDS)


def wait_for_room_in_the_minute(seconds: float) -> None:
    """Wait until so many seconds are left of the present minute: what is shown of it starts anew at its end."""
    wait_until(lambda: time.time() % 60 < 60 - seconds, f"{seconds:g} s of a minute are left")
