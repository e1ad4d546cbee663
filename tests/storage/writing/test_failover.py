"""The database goes away and comes back: completions are spooled and written once each, scores refused meanwhile."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import text

from storage.database import postgresql, sqlite
from storage.database import watchdog as watch
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable, RecordRefused, SpoolFull
from storage.records import Content, FeedbackStatus, ValidityRecord
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.refused import RefusedRecords
from storage.writing.failover import State
from storage.writing.retrying import retry
from storage.writing.spool import Spool
from storage.writing.spool_file import Owner
from tests.support.databases import Opening, execute
from tests.support.postgresql import NoPostgresql, PostgresqlServer
from tests.support.records import BUDGETED, RecordMaker, RunningWriter, Start, same_sums

OWNER = Owner("led_1", lambda key_ids: True)


class Outage(Protocol):
    """Takes the database away."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


class Locked:
    """SQLite's write lock is held for longer than anybody waits."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class Unreachable:
    """PostgreSQL ends all connections and takes no others."""

    def __init__(self, url: str, name: str, elsewhere: str) -> None:
        self._name, self._elsewhere = name, elsewhere

    def begin(self) -> None:
        execute(self._elsewhere, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'"  # noqa: S608
        execute(self._elsewhere, ended)

    def end(self) -> None:
        execute(self._elsewhere, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")


@pytest.fixture
def outage(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ledger_url: str, tmp_path: Path
) -> Iterator[Outage]:
    if ledger_url.startswith("sqlite"):
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        locked = Locked(tmp_path / "ledger.db")
        yield locked
        locked.end()
        locked.close()
    else:
        server = request.getfixturevalue("postgresql")
        unreachable = Unreachable(ledger_url, "migrated", server.url())
        yield unreachable
        unreachable.end()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "it-", OWNER)


@pytest.fixture
def spooling(outage: Outage, database: Database, spool: Spool, start_writer: Start) -> RunningWriter:
    """A writer with a spool, whose database can go away."""
    return start_writer(database, spool=spool)


def is_ok(running: RunningWriter) -> bool:
    return running.writer.state is State.OK


def test_completions_go_on_while_the_database_is_away_and_are_written_once_each_when_it_returns(
    outage: Outage, database: Database, spooling: RunningWriter, making: RecordMaker
) -> None:
    before = [making.completion(BUDGETED, attempts=2) for _ in range(5)]
    spooling.write(*before)
    outage.begin()
    during = [making.completion(BUDGETED, attempts=2, choice=f"{number // 100}".encode()) for number in range(250)]
    assert spooling.write(*during) == [()] * 250
    assert (spooling.writer.state, spooling.writer.spooled) == (State.SPOOLING, 250)
    outage.end()
    spooling.until(lambda: is_ok(spooling), "the spool is written back")
    after = [making.completion(BUDGETED) for _ in range(3)]
    spooling.write(*after)
    exported = [row["completion_id"] for row in Ledger(database).export(BUDGETED)]
    assert exported == [record.decision.completion_id for record in (*before, *during, *after)]
    view = Ledger(database).decision(during[7].decision.completion_id)
    assert view is not None
    assert (view.decision, view.attempts, view.outcome) == (
        during[7].decision,
        during[7].attempts,
        during[7].outcome,
    )
    expected = Arms(database).sums()
    spooling.until(lambda: same_sums(spooling.sums, expected), "what is held is what the database has")
    assert read_everything(database)[0].budgets[BUDGETED].multiplier == 1.0 + 258
    assert spooling.budgets == read_everything(database)[0].budgets


def test_scores_are_refused_while_the_database_is_away_and_taken_again_when_all_is_written(
    outage: Outage, spooling: RunningWriter, making: RecordMaker
) -> None:
    early = making.completion()
    spooling.write(early)
    outage.begin()
    late = making.completion()
    futures = [
        spooling.submit((making.score(early.decision.completion_id, 0.5),)),
        spooling.submit(late),
        spooling.submit((making.score(late.decision.completion_id, 0.5),)),
        spooling.submit(ValidityRecord(early.decision.completion_id, True, {})),
    ]
    kinds = [type(future.exception(60)) for future in futures]
    assert kinds == [DatabaseUnavailable, type(None), DatabaseUnavailable, DatabaseUnavailable]
    outage.end()
    spooling.until(lambda: is_ok(spooling), "the spool is written back")
    receipts = spooling.write(
        (making.score(early.decision.completion_id, 0.5), making.score(late.decision.completion_id, 0.5))
    )[0]
    assert [receipt.status for receipt in receipts] == [FeedbackStatus.RECORDED] * 2


def test_what_a_dead_process_left_is_written_by_the_next(
    outage: Outage,
    ledger_url: str,
    database: Database,
    spool: Spool,
    opening: Opening,
    making: RecordMaker,
    tmp_path: Path,
) -> None:
    dying = RunningWriter(database, spool=spool)
    outage.begin()
    records = [making.completion() for _ in range(150)]
    dying.write(*records)
    dying.writer.close()
    outage.end()
    next_one = RunningWriter(opening(ledger_url), spool=Spool(tmp_path / "it-", OWNER))
    next_one.until(
        lambda: is_ok(next_one) and next_one.writer.spooled == 0 and bool(next_one.commits), "the spool is written back"
    )
    next_one.writer.close()
    assert [row["completion_id"] for row in Ledger(database).export("rtr_a")] == [
        record.decision.completion_id for record in records
    ]


def test_what_was_committed_before_the_process_died_is_not_written_again(
    database: Database, running: RunningWriter, spool: Spool, start_writer: Start, making: RecordMaker
) -> None:
    """The commit came through, and the process died before it took the records out of its spool."""
    records = [making.completion() for _ in range(5)]
    running.write(*records)
    before = Arms(database).sums()
    spool.append([*records, making.completion("rtr_b")])
    spool.close()
    again = start_writer(database, spool=spool)
    again.until(
        lambda: any(key.router_id == "rtr_b" for key in again.sums) and is_ok(again), "the spool is written back"
    )
    assert Arms(database).sums("rtr_a") == before


def test_a_full_spool_is_said_to_be_full_and_still_takes_what_was_under_way(
    outage: Outage, database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path
) -> None:
    running = start_writer(database, spool=Spool(tmp_path / "small-", OWNER, limit=3))
    outage.begin()
    states = []
    for _ in range(4):
        running.write(making.completion())
        states.append(running.writer.state)
    assert states == [State.SPOOLING, State.SPOOLING, State.FULL, State.FULL]
    outage.end()
    running.until(lambda: is_ok(running), "the spool is written back")
    assert len(list(Ledger(database).export("rtr_a"))) == 4


def test_without_a_spool_or_with_one_that_cannot_be_written_completions_fail_and_the_state_is_full(
    outage: Outage, database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path
) -> None:
    for spool in (None, Spool(tmp_path / "no such folder" / "it-", OWNER)):
        running = start_writer(database, spool=spool)
        running.write(making.completion())
        outage.begin()
        assert isinstance(running.submit(making.completion()).exception(60), SpoolFull)
        assert running.writer.state is State.FULL
        outage.end()
        running.until(lambda running=running: is_ok(running), "the database is written to again")  # type: ignore[misc]
        running.write(making.completion())


def test_a_spooled_completion_is_read_back_as_it_was(spool: Spool, making: RecordMaker) -> None:
    records = [
        making.completion(attempts=2, choice=b'{"a":1}', instructions="x"),
        making.completion(choice=b'{"a":1}', content=Content(b"q\x00", b"\xff")),
        making.completion("rtr_b", task="a/b"),
    ]
    spool.append(records)
    assert spool.oldest(10) == records
    assert spool.oldest(1) == records[:1]
    assert spool.oldest(10, but={records[0].decision.completion_id}) == records[1:]
    spool.remove([records[1].decision.completion_id])
    assert (spool.count, spool.oldest(10)) == (2, [records[0], records[2]])
    spool.remove([record.decision.completion_id for record in records])
    assert spool.count == 0
    spool.append(records[1:2])
    assert spool.oldest(10) == records[1:2]
    spool.close()


def test_a_record_that_nobody_can_keep_fails_alone(
    outage: Outage, database: Database, spooling: RunningWriter, making: RecordMaker
) -> None:
    outage.begin()
    items = [making.completion(), making.completion(cost_usd=float("nan")), making.completion()]
    errors = [future.exception(60) for future in [spooling.submit(item) for item in items]]
    assert [type(error) for error in errors] == [type(None), RecordRefused, type(None)]
    outage.end()
    spooling.until(lambda: is_ok(spooling), "the spool is written back")
    assert len(list(Ledger(database).export("rtr_a"))) == 2


@pytest.mark.parametrize("again", ["mended", "still refused"])
def test_a_spooled_record_that_the_database_refuses_is_kept_aside_and_written_once_the_cause_is_gone(
    ledger_url: str, opening: Opening, spool: Spool, start_writer: Start, making: RecordMaker, again: str
) -> None:
    database = opening(ledger_url)
    records = [making.completion(task=task, cost_usd=0.25) for task in ("a", "refused", "b")]
    spool.append(records)
    spool.close()
    with forbidding(database, "refused"):
        running = start_writer(database, spool=spool)
        running.until(lambda: bool(running.commits) and running.writer.spooled == 0, "the spool is empty")
        assert [row["task"] for row in Ledger(database).export("rtr_a")] == ["a", "b"]
        aside = RefusedRecords(database)
        (refusal,) = aside.all()
        assert aside.get(refusal.completion_id) == (refusal, records[1])
        if again == "still refused":
            with pytest.raises(RecordRefused):
                retry(database, refusal.completion_id, records[1])
            assert aside.count() == 1
            return
    retry(database, refusal.completion_id, records[1])
    retry(database, refusal.completion_id, records[1])
    assert [row["task"] for row in Ledger(database).export("rtr_a")] == ["a", "refused", "b"]
    assert aside.count() == 0
    expected = Arms(database).sums()
    running.until(lambda: same_sums(running.sums, expected), "running gateways learn it too")


@contextlib.contextmanager
def forbidding(database: Database, task: str) -> Iterator[None]:
    """Make the database refuse requests of a task."""
    refuse = f"CREATE TRIGGER forbidden BEFORE INSERT ON decisions WHEN NEW.task = '{task}' "
    make, drop = f"{refuse} BEGIN SELECT RAISE(ABORT, 'no'); END", "DROP TRIGGER forbidden"
    if not database.sqlite:
        make = f"ALTER TABLE decisions ADD CONSTRAINT forbidden CHECK (task <> '{task}')"
        drop = "ALTER TABLE decisions DROP CONSTRAINT forbidden"
    with database.write() as connection:
        connection.execute(text(make))
    try:
        yield
    finally:
        with database.write() as connection:
            connection.execute(text(drop))


def test_living_processes_have_spools_of_their_own(making: RecordMaker, tmp_path: Path) -> None:
    spools = [Spool(tmp_path / "it-", OWNER) for _ in range(3)]
    records = [making.completion() for _ in spools]
    for spool, record in zip(spools, records, strict=True):
        spool.append([record])
    for spool, record in zip(spools, records, strict=True):
        spool.adopt()
        assert spool.oldest(10) == [record]
    for spool in spools:
        spool.close()
    heir = Spool(tmp_path / "it-", OWNER)
    heir.adopt()
    assert heir.count == 3
    while heir.count:
        heir.remove([record.decision.completion_id for record in heir.oldest(10)])
    heir.close()


def test_a_server_that_hangs_is_left_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: Opening, start_writer: Start, making: RecordMaker
) -> None:
    """A frozen server takes connections and answers nothing; only a look at the clock tells."""
    monkeypatch.setattr(watch, "HANGING_SECONDS", 0.3)
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 1)
    try:
        server = PostgresqlServer(fsync=False)
    except NoPostgresql as error:
        pytest.skip(str(error))
    with server:
        running = start_writer(opening(server.url()), spool=Spool(tmp_path / "it-", OWNER))
        running.write(making.completion())
        server.freeze()
        try:
            assert running.write(making.completion(), making.completion()) == [(), ()]
            assert running.writer.state is State.SPOOLING
        finally:
            server.thaw()
        running.until(lambda: is_ok(running), "the spool is written back")
        assert len(list(Ledger(opening(server.url())).export("rtr_a"))) == 3
        running.writer.close()
