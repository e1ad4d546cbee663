"""Reads that share a connection take one from the pool, and go on after an error as others do."""

import traceback

import pytest
from sqlalchemy import event, text

from storage.database.engine import Database
from storage.errors import DatabaseUnavailable


def test_reads_that_are_shared_use_one_connection_and_leave_those_of_others_alone(database: Database) -> None:
    taken: list[object] = []
    event.listen(database.engine, "checkout", lambda driver, *_: taken.append(driver))
    with database.sharing_reads():
        for _ in range(3):
            with database.read() as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
        with database.write() as connection:
            assert connection.execute(text("SELECT 2")).scalar_one() == 2
    assert len(taken) == 2
    with database.read() as connection:
        assert connection.execute(text("SELECT 3")).scalar_one() == 3
    assert len(taken) == 3


def test_an_error_ends_a_shared_read_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable), database.sharing_reads(), database.read() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    database.check()


def test_no_error_tells_the_values_of_its_statement(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable) as told, database.read() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE said = :said"), {"said": "what a caller said"})
    told_in_full = "".join(traceback.format_exception(told.value))
    assert "nowhere" in told_in_full
    assert "a caller said" not in told_in_full.replace('"said": "what a caller said"', "")
