"""A backup of a SQLite ledger that is in use is the ledger at one instant, and brings it back."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from storage.database import schema
from storage.database.checkpointer import checkpoint
from storage.database.engine import Database, connect
from storage.errors import BackupError
from storage.maintenance import backup as module
from storage.maintenance.backup import back_up, restore
from storage.maintenance.rebuild import Rebuild
from storage.records import RouterRecord
from storage.stores.identity import read_identity
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.databases import Opening
from tests.support.records import NOW, RecordMaker, RunningWriter, Start, half_life, learn_scores

ROUTER = RouterRecord("rtr_a", "A", b"s", {}, (), NOW, NOW)


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path, opening: Opening) -> Database:
    """A SQLite ledger: PostgreSQL's is backed up by its own tools (tests/reliability/test_restore.py)."""
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return opening(f"sqlite:///{tmp_path / 'ledger.db'}")


def requests_of(database: Database) -> int:
    return sum(1 for _ in Ledger(database).export("rtr_a"))


def is_equal(database: Database) -> bool:
    return Rebuild(database, learn_scores, half_life).check() == []


def has_read_everything(running: RunningWriter, times: int) -> bool:
    return sum(changed.everything for changed in running.changes) >= times


def test_a_backup_under_load_is_one_file_whose_statistics_equal_its_ledger(
    database: Database, running: RunningWriter, making: RecordMaker, tmp_path: Path, opening: Opening
) -> None:
    running.write(*(making.completion() for _ in range(50)))
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [running.write(making.completion()) for _ in range(300)])
        sizes = [back_up(database, tmp_path / f"backup-{number}.db") for number in range(5)]
        writing.result(60)
    assert all(sizes)
    assert sorted(path.name for path in tmp_path.glob("backup*")) == [f"backup-{number}.db" for number in range(5)]
    counts = []
    for number in range(5):
        copy = opening(f"sqlite:///{tmp_path}/backup-{number}.db")
        assert is_equal(copy)
        assert read_identity(copy) == read_identity(database)
        counts.append(requests_of(copy))
    assert 50 <= counts[0] <= counts[-1] <= requests_of(database) == 350
    assert counts == sorted(counts)


def test_a_file_that_is_there_is_left_alone(database: Database, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("another one")
    with pytest.raises(BackupError, match="is there already"):
        back_up(database, tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "another one"


def test_a_backup_that_cannot_be_written_leaves_nothing(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="can't be written"):
        back_up(database, tmp_path / "nowhere" / "backup.db")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("backup", "nowhere"))] == []


def test_processes_follow_a_restore_and_what_they_write_then_is_whole(
    database: Database,
    running: RunningWriter,
    making: RecordMaker,
    start_writer: Start,
    opening: Opening,
    tmp_path: Path,
) -> None:
    other = start_writer(opening(f"sqlite:///{database.where}"))
    for each in (running, other):
        each.until(partial(has_read_everything, each, 1), "the ledger is read")
    Routers(database).put(ROUTER)
    running.write(*(making.completion(choice=b"before") for _ in range(3)))
    back_up(database, tmp_path / "backup.db")
    running.write(*(making.completion(choice=b"after") for _ in range(4)))  # whose choice is in the writers' cache
    Routers(database).delete("rtr_a", NOW)
    identity = restore(database, tmp_path / "backup.db")
    assert identity.epoch == 2
    for each in (running, other):
        each.until(partial(has_read_everything, each, 2), "the restore is noticed")
    assert [router.id for router in Routers(database).all()] == ["rtr_a"]
    running.write(*(making.completion(choice=b"after") for _ in range(2)))
    assert requests_of(database) == 5
    assert is_equal(database)
    found = [Ledger(database).decision(str(row["completion_id"])) for row in Ledger(database).export("rtr_a")]
    assert [view and view.decision.choice for view in found] == [b"before"] * 3 + [b"after"] * 2
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_backup_of_an_older_version_is_migrated_on_the_way(
    database: Database, tmp_path: Path, opening: Opening
) -> None:
    former = connect(f"sqlite:///{tmp_path}/former.db", "normal")
    with former.write() as connection:
        schema.upgrade(connection, "0009")
    former.close()
    restore(database, tmp_path / "former.db")
    with database.read() as connection:
        assert schema.revision_of(connection) == schema.HEAD
    with sqlite3.connect(tmp_path / "former.db") as file:
        assert file.execute("SELECT version_num FROM bandit_gateway_version").fetchone() == ("0009",)


@pytest.mark.parametrize("content", [b"", b"Dear diary, " * 1_000, b"SQLite format 3\x00" + b"\xff" * 8_192])
def test_what_is_no_backup_is_refused_and_the_ledger_stays(
    database: Database, running: RunningWriter, making: RecordMaker, tmp_path: Path, content: bytes
) -> None:
    running.write(making.completion())
    (tmp_path / "backup.db").write_bytes(content)
    with pytest.raises(BackupError, match=r"backup\.db: (can't be read|is no backup|is damaged)"):
        restore(database, tmp_path / "backup.db")
    assert (requests_of(database), read_identity(database).epoch) == (1, 1)
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_restore_that_is_broken_off_leaves_the_ledger_as_it_was(
    database: Database,
    running: RunningWriter,
    making: RecordMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opening: Opening,
) -> None:
    back_up(database, tmp_path / "backup.db")
    running.write(making.completion())

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_prepare", break_off)
    with pytest.raises(KeyboardInterrupt):
        restore(database, tmp_path / "backup.db")
    assert requests_of(opening(f"sqlite:///{database.where}")) == 1


def test_a_file_that_is_replaced_under_a_process_is_noticed_and_used(
    database: Database, running: RunningWriter, making: RecordMaker, start_writer: Start, tmp_path: Path
) -> None:
    back_up(database, tmp_path / "backup.db")
    spooling = start_writer(database, spool=None)
    spooling.write(making.completion())
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"ledger.db{suffix}").unlink()
    (tmp_path / "backup.db").rename(tmp_path / "ledger.db")
    spooling.until(lambda: spooling.writer.state != "ok", "the file is noticed to be another one")
    spooling.until(lambda: spooling.writer.state == "ok", "the new file is used")
    spooling.write(making.completion(), making.completion())
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        assert file.execute("SELECT count(*) FROM decisions").fetchone() == (2,)


def test_the_log_of_a_file_that_is_replaced_does_not_damage_the_new_one(
    database: Database,
    running: RunningWriter,
    making: RecordMaker,
    start_writer: Start,
    tmp_path: Path,
    opening: Opening,
) -> None:
    running.write(making.completion())
    other = start_writer(opening(f"sqlite:///{tmp_path / 'ledger.db'}"))
    for times in (1, 2, 3):  # the log of each new file may get the inode of one that was removed
        back_up(database, tmp_path / "backup.db")
        kept = requests_of(database)
        for writing in (running, other):
            writing.write(*(making.completion(task=f"task-{number}") for number in range(50)))
            writing.until(partial(has_read_everything, writing, times), "what there is was read")
        (tmp_path / "backup.db").rename(tmp_path / "ledger.db")
        checkpoint(database)  # as a thread of its own does a quarter of a second after many commits
        for writing in (running, other):
            writing.until(partial(has_read_everything, writing, times + 1), "the new file is used")
        for writing in (running, other, running):
            writing.write(making.completion())
        with sqlite3.connect(tmp_path / "ledger.db") as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert file.execute("SELECT count(*) FROM decisions").fetchone() == (kept + 3,)


def test_a_file_that_is_gone_is_not_made_anew(database: Database, tmp_path: Path, start_writer: Start) -> None:
    running = start_writer(database)
    (tmp_path / "ledger.db").unlink()
    running.until(lambda: running.writer.state == "full", "the file is noticed to be gone")
    assert not (tmp_path / "ledger.db").exists()
