"""The ledger behind a real PgBouncer: all that works directly works, and changes are polled for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from sqlalchemy import text

from bandit.statistics import StatisticKey, Sums
from storage.database import postgresql as settings
from storage.database.engine import Database, connect, open_database
from storage.errors import DatabaseUnavailable
from storage.maintenance.rebuild import Rebuild
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.transaction import PIPELINED_ITEMS
from tests.support.databases import Opening
from tests.support.pgbouncer import NoPgbouncer, Pgbouncer
from tests.support.postgresql import PostgresqlServer
from tests.support.records import RecordMaker, RunningWriter, Start, half_life, learn_scores, same_sums


@pytest.fixture(params=["transaction", "session"])
def pooler(request: pytest.FixtureRequest, postgresql: PostgresqlServer) -> Iterator[Pgbouncer]:
    try:
        pooler = Pgbouncer(postgresql.url(), request.param, connections=20 if request.param == "session" else 2)
    except NoPgbouncer as error:
        pytest.skip(str(error))
    with pooler:
        yield pooler


@pytest.fixture
def pooled_url(pooler: Pgbouncer, empty_postgresql_url: str) -> str:
    return pooler.url(empty_postgresql_url.partition("@/")[2].partition("?")[0])


@pytest.fixture
def pooled(pooled_url: str, opening: Opening) -> Database:
    return opening(pooled_url)


def test_a_pooler_is_noticed_and_said_to_be_there(pooled_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = open_database(pooled_url)
    assert database.pooler
    assert "changes of other processes are polled for" in caplog.text
    database.close()


def test_without_a_pooler_none_is_noticed(empty_postgresql_url: str, opening: Opening) -> None:
    assert not opening(empty_postgresql_url).pooler


def holds(running: RunningWriter, expected: dict[StatisticKey, Sums]) -> bool:
    return same_sums(running.sums, expected)


def test_processes_behind_a_pooler_record_learn_and_follow_one_another(
    pooled: Database, pooled_url: str, opening: Opening, start_writer: Start, making: RecordMaker
) -> None:
    first, second = start_writer(pooled), start_writer(opening(pooled_url))
    few = [making.completion("rtr_a", attempts=2) for _ in range(3)]
    many = [making.completion("rtr_b") for _ in range(10 * PIPELINED_ITEMS)]  # by COPY
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: pair[0].write(*pair[1]), [(first, few), (second, many)]))
    for record in few:
        second.write((making.score(record.decision.completion_id, 0.5),))
    assert len(list(Ledger(pooled).export("rtr_a"))) == 3
    assert len(list(Ledger(pooled).export("rtr_b"))) == len(many)
    expected = Arms(pooled).sums()
    for running in (first, second):
        running.until(partial(holds, running, expected), "each process holds what both wrote")
    assert Rebuild(pooled, learn_scores, half_life).check() == []


def test_the_time_limits_hold_for_each_transaction_and_the_schema_is_found(pooled: Database) -> None:
    for _ in range(8):  # more often than the driver prepares statements after, and on whichever connection
        with pooled.read() as connection:
            limit = connection.execute(text("SHOW statement_timeout")).scalar()
            assert limit == f"{settings.STATEMENT_SECONDS // 60}min"
            assert connection.execute(text("SELECT count(*) FROM decisions")).scalar() == 0
    with pooled.snapshot() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"


def test_settings_of_the_url_hold_behind_a_pooler(pooled_url: str, opening: Opening) -> None:
    database = opening(f"{pooled_url}&options=-c%20work_mem%3D7MB")
    with database.read() as connection:
        assert connection.execute(text("SHOW work_mem")).scalar() == "7MB"


def test_nothing_is_left_behind_for_other_users_of_the_pool(pooled: Database, pooled_url: str) -> None:
    with pooled.write() as connection:
        connection.execute(text("SELECT 1"))
    with psycopg.connect(pooled_url, prepare_threshold=None) as other:
        assert other.execute("SHOW search_path").fetchone() == ('"$user", public',)
        assert other.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_processes_that_migrate_through_a_pooler_at_once_all_find_it_migrated(pooled_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for database in pool.map(lambda _: open_database(pooled_url), range(4)):
            database.check()
            database.close()


def test_a_pooler_without_transactions_is_refused_with_the_remedy(postgresql: PostgresqlServer) -> None:
    try:
        pooler = Pgbouncer(postgresql.url(), "statement")
    except NoPgbouncer as error:
        pytest.skip(str(error))
    with pooler, pytest.raises(DatabaseUnavailable, match="set its pool_mode to transaction or session"):
        connect(pooler.url("postgres"), "normal")
