"""The watchdog's time limits against those of the database server."""

from contextlib import closing

import pytest

from storage.database import postgresql, watchdog
from storage.database.engine import open_database
from storage.errors import DatabaseUnavailable
from storage.stores.keys import Keys
from tests.support.postgresql import NoPostgresql, PostgresqlServer


def test_a_server_tells_of_a_lock_before_it_is_left_for_hanging_and_frees_one_that_is_held_by_a_frozen_process() -> (
    None
):
    assert postgresql.LOCK_SECONDS < watchdog.HANGING_SECONDS < postgresql.FROZEN_SECONDS


def test_reads_of_a_frozen_server_fail_soon_and_go_on_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "HANGING_SECONDS", 0.3)
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 1)
    try:
        server = PostgresqlServer(fsync=False)
    except NoPostgresql as error:
        pytest.skip(str(error))
    with server, closing(open_database(server.url())) as database, closing(watchdog.Watchdog()) as watching:
        keys = Keys(database.watched(watching))
        assert keys.all() == []
        with database.watched(watching).read() as connection:
            server.freeze()
            try:
                with pytest.raises(DatabaseUnavailable):
                    keys.all()
                with pytest.raises(DatabaseUnavailable), database.errors_as_ours():
                    connection.exec_driver_sql("SELECT 1")
            finally:
                server.thaw()
        assert keys.all() == []
