"""A spool's files: whose they are, what is done with damaged ones, and that none keeps the others."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage.database.engine import Database
from storage.records import CompletionRecord, KeyRecord
from storage.stores.keys import Keys
from storage.stores.ledger import Ledger
from storage.writing.failover import State
from storage.writing.spool import Spool, owner_of, refused_files
from storage.writing.spool_file import Owner
from tests.support.databases import Opening
from tests.support.records import RecordMaker, RunningWriter, Start

MINE = Owner("led_mine", lambda key_ids: True)
OTHER = Owner("led_other", lambda key_ids: True)


def spooled(stem: Path, records: list[CompletionRecord], owner: Owner = MINE) -> Path:
    """A file that a dead process has left."""
    spool = Spool(stem, owner)
    spool.append(records)
    (file,) = spool._files
    spool.close()
    return file.path


def ids(spool: Spool) -> list[str]:
    return [record.decision.completion_id for record in spool.oldest(100)]


def edit(path: Path, statement: str, *values: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")  # as a version without checks
    connection.execute(statement, values)
    connection.close()


def without_name(path: Path) -> None:
    """Make the file one of a version that did not say whose it is."""
    edit(path, "DELETE FROM settings WHERE name = 'spool_of'")


def zeroed(path: Path) -> None:
    """Damage the middle of the file, so that it opens, and some of its pages can't be read."""
    edit(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[8_192:] = b"\xff" * (len(content) - 8_192)
    path.write_bytes(content)


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database, for sure. " * 1_000)


def test_another_ledgers_spool_is_refused_and_left_as_it_was(
    database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Five acknowledged answers of one ledger were adopted into another that started in the same directory."""
    stem = tmp_path / "it-"
    theirs = [making.completion() for _ in range(5)]
    path = spooled(stem, theirs, OTHER)
    before = path.read_bytes()
    running = start_writer(database, spool=Spool(stem, owner_of(database)))
    running.write(making.completion("rtr_b"))
    assert list(Ledger(database).export("rtr_a")) == []
    assert running.writer.state is State.OK
    (problem,) = running.writer.spool_problems
    assert "it-spool-0.db holds 5 completions of another ledger (led_other" in problem
    assert problem in caplog.messages
    assert path.read_bytes() == before
    assert list(refused_files(stem, owner_of(database))) == [problem]
    running.writer.close()
    heir = Spool(stem, OTHER)
    heir.adopt()
    assert ids(heir) == [record.decision.completion_id for record in theirs], "its own ledger still finds it"
    heir.close()


def test_what_is_spooled_beside_a_strangers_file_goes_into_another(making: RecordMaker, tmp_path: Path) -> None:
    theirs = spooled(tmp_path / "it-", [making.completion()], OTHER)
    mine = spooled(tmp_path / "it-", [making.completion()], MINE)
    assert mine != theirs


def test_an_empty_file_is_anybodys(making: RecordMaker, tmp_path: Path) -> None:
    record = making.completion()
    path = spooled(tmp_path / "it-", [record], OTHER)
    heir = Spool(tmp_path / "it-", OTHER)
    heir.adopt()
    heir.remove([record.decision.completion_id])
    heir.close()
    assert spooled(tmp_path / "it-", [record], MINE) == path
    assert list(refused_files(tmp_path / "it-", MINE)) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_file_without_a_name_is_this_ledgers_if_all_its_keys_are(
    database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path, known: bool
) -> None:
    keys = Keys(database)
    for key_id in ("key_1", "key_2") if known else ("key_1",):
        keys.add(KeyRecord(key_id, key_id, "label", ("routing",), None, 1.0, None, None))
    keys.revoke("key_1", 2.0)
    records = [making.completion(key_id=key_id) for key_id in ("key_1", "key_2", "key_1")]
    without_name(spooled(tmp_path / "it-", records))
    running = start_writer(database, spool=Spool(tmp_path / "it-", owner_of(database)))
    running.write(making.completion("rtr_b"))
    running.until(lambda: running.writer.state is State.OK, "the spool is replayed, or refused")
    found = [row["completion_id"] for row in Ledger(database).export("rtr_a")]
    assert found == ([record.decision.completion_id for record in records] if known else [])
    assert [("does not say of which ledger" in each) for each in running.writer.spool_problems] == [True] * (not known)


@pytest.mark.parametrize("damage", [zeroed, garbage])
def test_a_damaged_file_keeps_neither_the_thread_nor_the_other_files(
    database: Database,
    start_writer: Start,
    making: RecordMaker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    stem, owner = tmp_path / "it-", owner_of(database)
    living = Spool(stem, owner)
    living.append([making.completion("rtr_lost") for _ in range(50)])
    good = making.completion()
    other = spooled(stem, [good], owner)
    living.close()
    damage(tmp_path / "it-spool-0.db")
    running = start_writer(database, spool=Spool(stem, owner))
    running.write(making.completion("rtr_b"))
    running.until(lambda: running.writer.state is State.OK, "the other file is replayed")
    assert [row["completion_id"] for row in Ledger(database).export("rtr_a")] == [good.decision.completion_id]
    (problem,) = running.writer.spool_problems
    assert "it-spool-0.db is damaged" in problem
    assert ".recover" in problem
    assert other.exists()
    assert "could not poll" not in caplog.text


@pytest.mark.parametrize("content", [b"what is this?", b"x" * 100_000])
def test_a_damaged_lock_file_is_emptied_and_its_spool_is_replayed(
    database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path, content: bytes
) -> None:
    record = making.completion()
    path = spooled(tmp_path / "it-", [record], owner_of(database))
    path.with_suffix(".lock").write_bytes(content)
    running = start_writer(database, spool=Spool(tmp_path / "it-", owner_of(database)))
    running.until(lambda: bool(running.commits) and running.writer.state is State.OK, "the spool is replayed")
    assert len(list(Ledger(database).export("rtr_a"))) == 1
    assert running.writer.spool_problems == []


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
@pytest.mark.parametrize("suffix", ["lock", "db"])
def test_what_is_no_file_keeps_neither_the_thread_nor_the_others(
    database: Database,
    start_writer: Start,
    making: RecordMaker,
    tmp_path: Path,
    suffix: str,
    make: Callable[[Path], None],
) -> None:
    stem, owner = tmp_path / "it-", owner_of(database)
    living = Spool(stem, owner)
    living.append([making.completion("rtr_held")])
    good = making.completion()
    spooled(stem, [good], owner)
    living.close()
    path = tmp_path / f"it-spool-0.{suffix}"
    path.unlink()
    make(path)
    running = start_writer(database, spool=Spool(stem, owner))
    running.until(lambda: bool(running.commits) and running.writer.state is State.OK, "the other file is replayed")
    assert len(list(Ledger(database).export("rtr_a"))) == 1
    assert running.writer.spool_problems == [f"{path} is no file, and is left alone: move it away"]


def test_a_file_that_can_t_be_opened_at_a_start_is_taken_over_later(
    database: Database,
    start_writer: Start,
    making: RecordMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("storage.writing.writer.ADOPT_SECONDS", 0.05)
    stem, owner = tmp_path / "it-", owner_of(database)
    path = spooled(stem, [making.completion()], owner)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:  # as somebody who looks into it
        reader.execute("PRAGMA locking_mode = EXCLUSIVE")
        reader.execute("BEGIN EXCLUSIVE")
        running = start_writer(database, spool=Spool(stem, owner))
        running.until(lambda: bool(running.writer.spool_problems), "it can't be opened")
        assert "is tried again" in running.writer.spool_problems[0]
        assert not running.writer.adopted
    running.until(lambda: running.writer.adopted and running.writer.state is State.OK, "it is taken over")
    assert running.writer.spool_problems == []
    assert len(list(Ledger(database).export("rtr_a"))) == 1


def test_a_record_that_can_t_be_read_stays_and_keeps_no_other(
    database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path
) -> None:
    records = [making.completion(choice=f"{number}".encode()) for number in range(6)]
    path = spooled(tmp_path / "it-", records, owner_of(database))
    broken, lacking, strange = (records[number].decision.completion_id for number in (1, 2, 3))
    edit(path, "UPDATE choices SET choice = x'7800' WHERE id = ?", broken)
    edit(path, "DELETE FROM choices WHERE id = ?", lacking)
    edit(path, "UPDATE decisions SET status = 'unheard of' WHERE completion_id = ?", strange)
    running = start_writer(database, spool=Spool(tmp_path / "it-", owner_of(database)))
    running.until(lambda: bool(running.commits) and running.writer.state is State.OK, "the spool is replayed")
    found = [row["completion_id"] for row in Ledger(database).export("rtr_a")]
    assert found == [records[number].decision.completion_id for number in (0, 4, 5)]
    assert "3 of its completions can't be read" in running.writer.spool_problems[0]


def test_a_file_that_is_damaged_while_it_is_written_is_left_for_another(making: RecordMaker, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "it-", MINE)
    spool.append([making.completion() for _ in range(50)])
    (tmp_path / "it-spool-0.db-wal").write_bytes(b"")
    garbage(tmp_path / "it-spool-0.db")
    spool._files[0]._transactions.close()  # so that nothing is cached
    record = making.completion()
    spool.append([record])
    assert ids(spool) == [record.decision.completion_id]
    assert (tmp_path / "it-spool-1.db").exists()
    assert not spool.full
    assert "it-spool-0.db is damaged" in spool.problems[0]
    spool.close()


def test_a_copy_of_a_ledger_finds_the_spool_of_the_original(
    sqlite_template: Path, opening: Opening, making: RecordMaker, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "moved.db")
    one = opening(f"sqlite:///{tmp_path / 'moved.db'}")
    spooled(tmp_path / "it-", [making.completion()], owner_of(one))
    shutil.copy(tmp_path / "moved.db", tmp_path / "elsewhere.db")
    running = RunningWriter(
        opening(f"sqlite:///{tmp_path / 'elsewhere.db'}"), spool=Spool(tmp_path / "it-", owner_of(one))
    )
    running.until(lambda: bool(running.commits), "the spool is replayed")
    running.writer.close()
