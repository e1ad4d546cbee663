"""The database's clock, which all processes of a ledger share, followed by each of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import Connection, text

from bandit.types import Epoch

_NOW = {
    "sqlite": text("SELECT (julianday('now') - 2440587.5) * 86400.0"),  # this machine's clock, to a millisecond
    "postgresql": text("SELECT extract(epoch FROM clock_timestamp())::float8"),
}

SLOWEST_READING_SECONDS = 1.0
"""A reading that took longer does not replace another: it is exact to half its duration."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far the database's clock was ahead of the monotonic clock, and this machine's ahead of the database's."""

    offset_seconds: float
    ahead_seconds: float


class DatabaseClock:
    """Seconds since the epoch by the database's clock: what it showed last, and the monotonic time since.

    Whoever sets this machine's clock, a year ahead or an hour back, changes nothing. Thread-safe: a reading is replaced
    as a whole. `wall` is this machine's clock.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._is_read = False
        self._reading = _Reading(wall() - time.monotonic(), 0.0)  # until the database is asked

    def now(self) -> Epoch:
        """Return the present."""
        return Epoch(self._reading.offset_seconds + monotonic())

    @property
    def ahead_seconds(self) -> float:
        """How far this machine's clock was ahead of the database's at the last reading."""
        return self._reading.ahead_seconds

    def read(self, connection: Connection) -> None:
        """Read the database's clock. Raises the driver's errors."""
        began = time.monotonic()
        shown: float = connection.execute(_NOW[connection.dialect.name]).scalar_one()
        ended = time.monotonic()
        if not self._is_read or ended - began < SLOWEST_READING_SECONDS:
            self._is_read, middle = True, (began + ended) / 2
            self._reading = _Reading(shown - middle, self._wall() - (ended - middle) - shown)
