"""SQLite's write-ahead log is checkpointed beside the writer, begun anew, and bounded; PostgreSQL has its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import checkpointer, sqlite
from storage.database.checkpointer import Checkpointer, checkpoint
from storage.database.engine import Database, open_database
from storage.stores.ledger import Ledger
from storage.writing.transaction import Transactions
from tests.support.records import RecordMaker, RunningWriter, learn_scores, pace
from tests.support.waiting import wait_until

PAGES = 100
PAGE_BYTES = 4_096


@pytest.fixture
def file(sqlite_template: Path, tmp_path: Path) -> Path:
    file = tmp_path / "ledger.db"
    file.write_bytes(sqlite_template.read_bytes())
    return file


@pytest.fixture
def database(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A SQLite database whose log begins anew at `PAGES`."""
    monkeypatch.setattr(sqlite, "RESTART_PAGES", PAGES)
    monkeypatch.setattr(sqlite, "LARGEST_LOG_BYTES", PAGES * PAGE_BYTES)
    database = open_database(f"sqlite:///{file}")
    yield database
    database.close()


@pytest.fixture
def transactions(database: Database) -> Iterator[Transactions]:
    transactions = Transactions(database, learn_scores, pace)
    yield transactions
    transactions.close()


def log_bytes(file: Path) -> int:
    return Path(f"{file}-wal").stat().st_size


def write(transactions: Transactions, making: RecordMaker, commits: int = 10) -> None:
    for _ in range(commits):
        transactions.write([making.completion() for _ in range(10)])


def test_no_commit_of_the_writer_touches_the_database_s_file(
    file: Path, transactions: Transactions, making: RecordMaker
) -> None:
    write(transactions, making, 1)
    before = file.stat().st_mtime_ns
    while log_bytes(file) < 1.1 * sqlite.CHECKPOINT_PAGES * PAGE_BYTES:
        transactions.write([making.completion() for _ in range(100)])
    assert file.stat().st_mtime_ns == before


def test_the_log_begins_anew_however_long_it_is_written_to(
    file: Path, database: Database, transactions: Transactions, making: RecordMaker
) -> None:
    sizes = []
    for _ in range(12):
        write(transactions, making)
        sizes.append(log_bytes(file))
        checkpoint(database)
    assert sizes[0] > PAGES * PAGE_BYTES
    assert max(sizes) < 3 * sizes[0], "of twelve times as much"


def test_a_long_read_holds_up_no_commit_and_the_log_is_cut_after_it(
    file: Path, database: Database, transactions: Transactions, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", PAGES)
    write(transactions, making)
    with database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar()  # from now on it reads this state
        for _ in range(5):
            write(transactions, making)
            checkpoint(database)
        grown = log_bytes(file)
        assert grown > 5 * PAGES * PAGE_BYTES
    checkpoint(database)
    write(transactions, making, 1)
    assert log_bytes(file) <= PAGES * PAGE_BYTES < grown
    assert len(list(Ledger(database).export("rtr_a"))) == 610


def test_a_writer_s_commits_come_to_the_file_while_it_runs_and_its_close_is_not_held_up(
    file: Path, database: Database, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointer, "LOOK_SECONDS", 0.01)
    running = RunningWriter(database)
    try:
        before = file.stat().st_mtime_ns
        for _ in range(checkpointer.AFTER_COMMITS):
            running.write(making.completion())
        wait_until(lambda: file.stat().st_mtime_ns != before, "the log is checkpointed")
    finally:
        assert running.writer.close()
    checkpoint(database)  # by nobody else's leave: the thread has ended, and holds nothing
    assert len(list(Ledger(database).export("rtr_a"))) == checkpointer.AFTER_COMMITS


def test_the_thread_outlives_a_database_that_is_away_and_tells_of_it_once(
    file: Path,
    database: Database,
    making: RecordMaker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(checkpointer, "LOOK_SECONDS", 0.01)
    looks = iter(range(0, 10**9, 100))
    database.close()
    moved = file.rename(file.with_name("moved.db"))
    thread = Checkpointer(database, lambda: next(looks))
    try:
        wait_until(lambda: next(looks) > 500, "it has looked a few times")
        wait_until(lambda: caplog.text.count("the write-ahead log of") == 1, "it has failed")
        moved.rename(file)
        transactions = Transactions(database, learn_scores, pace)
        write(transactions, making)
        before = file.stat().st_mtime_ns
        write(transactions, making)
        wait_until(lambda: file.stat().st_mtime_ns != before, "it checkpoints again")
        transactions.close()
    finally:
        thread.close()
    assert caplog.text.count("the write-ahead log of") == 1
