"""The days of all routers are read before anybody asks."""

import asyncio
from collections.abc import Sequence

from gateway.maintenance.days import read_days
from storage.calendar import DAY
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from storage.stores.day_sums import DaySums
from tests.support.records import NOW


class Asked(DaySums):
    """Notes what is read, and fails as a database that is away."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.windows: list[tuple[int, int]] = []

    def read(self, since: int, until: int) -> dict[tuple[int, str], Sequence[float]]:
        """Note it."""
        self.windows.append((since, until))
        raise DatabaseUnavailable("it is away")


def test_the_days_of_two_long_periods_are_read_whether_or_not_the_database_answers(database: Database) -> None:
    days = Asked(database)
    asyncio.run(read_days(days, lambda: NOW))
    tomorrow = int(NOW // DAY + 1) * DAY
    assert days.windows == [(tomorrow - 180 * DAY, tomorrow)]
