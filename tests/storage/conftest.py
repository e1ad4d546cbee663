"""Makers of records, and writers that are closed before their databases are."""

from collections.abc import Iterator

import pytest

from storage.database.engine import Database, open_database
from storage.writing.scores import LearnScores
from storage.writing.spool import Spool
from tests.support.databases import Opening, execute
from tests.support.postgresql import PostgresqlServer
from tests.support.records import RecordMaker, RunningWriter, Start, learn_scores


@pytest.fixture
def making() -> RecordMaker:
    return RecordMaker()


@pytest.fixture
def start_writer(opening: Opening) -> Iterator[Start]:
    """Starts writers, and closes them before their databases are."""
    started: list[RunningWriter] = []

    def start(
        database: Database,
        *,
        spool: Spool | None = None,
        learn: LearnScores = learn_scores,
        deferring: bool = False,
    ) -> RunningWriter:
        started.append(RunningWriter(database, spool=spool, learn=learn, deferring=deferring))
        return started[-1]

    yield start
    for running in started:
        running.writer.close()


@pytest.fixture
def running(database: Database, start_writer: Start) -> RunningWriter:
    return start_writer(database)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, RunningWriter, RecordMaker]]:
    """One ledger for all examples of all properties: they keep out of one another's way by the routers' ids."""
    # pytest makes it anew if tests of the other database come between.
    directory = tmp_path_factory.mktemp("shared")
    if request.param == "sqlite":
        url = f"sqlite:///{directory / 'ledger.db'}"
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        execute(server.url(), f"CREATE DATABASE {directory.name}")
        url = server.url(directory.name)
    database = open_database(url)
    running = RunningWriter(database)
    yield database, running, RecordMaker()
    running.writer.close()
    database.close()
