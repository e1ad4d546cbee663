"""Every process follows the database's clock, whatever its machine's shows."""

import time

from storage.database.clock import DatabaseClock
from storage.database.engine import Database

YEAR_SECONDS = 365 * 86_400.0


def test_a_machine_that_is_a_year_ahead_or_behind_has_the_databases_time_and_knows_the_difference(
    database: Database,
) -> None:
    for ahead_seconds in (YEAR_SECONDS, -YEAR_SECONDS):
        clock = DatabaseClock(wall=lambda ahead_seconds=ahead_seconds: time.time() + ahead_seconds)  # type: ignore[misc]
        with database.read() as connection:
            clock.read(connection)
        assert abs(clock.now() - time.time()) < 60.0
        assert abs(clock.ahead_seconds - ahead_seconds) < 60.0


def test_a_step_of_the_machines_clock_changes_nothing_between_readings(database: Database) -> None:
    steps = [0.0]
    clock = DatabaseClock(wall=lambda: time.time() + steps[-1])
    with database.read() as connection:
        clock.read(connection)
    before = clock.now()
    steps.append(-3_600.0)
    assert 0.0 <= clock.now() - before < 60.0
    assert abs(database.clock.ahead_seconds) < 60.0
