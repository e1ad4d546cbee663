"""A frozen server, which takes connections and answers nothing, holds nobody up for good."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.database import postgresql, watchdog
from storage.database.engine import Database, open_database
from storage.errors import DatabaseUnavailable
from storage.stores.keys import Keys
from tests.support.postgresql import NoPostgresql, PostgresqlServer
from tests.support.records import RecordMaker, RunningWriter


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresqlServer]:
    """A server of its own, which may be frozen."""
    monkeypatch.setattr(watchdog, "HANGING_SECONDS", 0.3)
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 1)
    try:
        server = PostgresqlServer(fsync=False)
    except NoPostgresql as error:
        pytest.skip(str(error))
    with server:
        try:
            yield server
        finally:
            server.thaw()


@pytest.fixture
def frozen(server: PostgresqlServer) -> Iterator[Database]:
    with closing(open_database(server.url())) as database:
        yield database


def test_watched_reads_fail_soon_and_go_on_when_the_server_is_back(server: PostgresqlServer, frozen: Database) -> None:
    with closing(watchdog.Watchdog()) as watching:
        watched = frozen.watched(watching)
        keys = Keys(watched)
        assert keys.all() == []
        with pytest.raises(DatabaseUnavailable), watched.read() as connection:
            server.freeze()
            connection.exec_driver_sql("SELECT 1")
        with pytest.raises(DatabaseUnavailable):
            keys.all()
        server.thaw()
        assert keys.all() == []


def test_a_writer_that_has_just_notified_others_stops(
    server: PostgresqlServer, frozen: Database, making: RecordMaker
) -> None:
    running = RunningWriter(frozen)
    running.write(making.completion())
    server.freeze()
    running.writer._follower.notify()  # type: ignore[union-attr]
    stopping = threading.Thread(target=running.writer.close, daemon=True)
    stopping.start()
    stopping.join(60)
    assert not stopping.is_alive(), "the writer did not stop"
