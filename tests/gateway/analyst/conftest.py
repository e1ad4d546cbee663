"""A writer that fills ledgers, closed before its database is."""

from collections.abc import Iterator

import pytest

from storage.database.engine import Database
from tests.support.records import RecordMaker, RunningWriter


@pytest.fixture
def making() -> RecordMaker:
    return RecordMaker()


@pytest.fixture
def running(database: Database) -> Iterator[RunningWriter]:
    started = RunningWriter(database)
    yield started
    started.writer.close()
