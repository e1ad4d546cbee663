"""Reads the days of all routers beside a start, so that the first who asks for them does not wait for that."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack

from bandit.types import Epoch
from storage.calendar import DAY, day_of
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from storage.stores.day_sums import DaySums

DAYS = 180
"""Of 90 days, the longest period that the dashboard offers, and of the time before."""


def keep_days(database: Database, opened: AsyncExitStack) -> DaySums | None:
    """The days of a gateway's ledger, read in a thread; None on PostgreSQL, which adds them up fast enough."""
    if not database.sqlite:
        return None
    days = DaySums(database)
    opened.callback(asyncio.create_task(read_days(days, database.clock.now)).cancel)
    return days


async def read_days(days: DaySums, clock: Callable[[], Epoch]) -> None:
    """Read the last days in a thread: of many routers that takes a tenth of a second."""
    until = (day_of(clock()) + 1) * DAY
    with contextlib.suppress(DatabaseUnavailable):  # then whoever asks reads them
        await asyncio.to_thread(days.read, until - DAYS * DAY, until)
