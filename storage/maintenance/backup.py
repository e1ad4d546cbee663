"""Backups of a SQLite ledger, made and restored while gateways serve, by SQLite's online backup."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from storage.database.engine import Database, first_line, open_database
from storage.database.sqlite import create_privately
from storage.errors import BackupError, DatabaseUnavailable
from storage.stores.identity import Identity, begin_epoch, read_identity


def back_up(database: Database, path: Path) -> int:
    """Copy the ledger, as it is at one instant, to a file that appears only when it is complete. Returns its bytes.

    Raises BackupError, and leaves a file alone that is there already.
    """
    unfinished = path.with_name(path.name + ".part")
    if path.exists():
        raise BackupError(f"{path} is there already: name another file")
    unfinished.unlink(missing_ok=True)
    try:
        with _opened(Path(database.where)) as source:
            create_privately(unfinished)
            with _opened(unfinished) as target:
                # In one step: a copy in pieces would begin again after each commit of another process.
                source.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")  # so that the backup is this one file
                _require_sound(target, unfinished)
        _sync(unfinished)
        os.link(unfinished, path)  # not a rename, which would replace a file that was made meanwhile
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{path}: can't be written ({first_line(error)})") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def restore(database: Database, path: Path) -> Identity:
    """Replace the ledger by a backup in one transaction, in a new epoch. Gateways that serve follow.

    A backup of an older version is migrated on the way. Raises BackupError and DatabaseUnavailable, and then the ledger
    is as it was.
    """
    now = read_identity(database)
    copy = Path(database.where).with_name(Path(database.where).name + ".restoring")
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, copy)
        _remove(copy)
        create_privately(copy)
        try:
            with _opened(path, "ro") as source, _opened(copy) as target:
                source.backup(target)
                _require_sound(target, path)
        except (sqlite3.Error, OSError) as error:
            raise BackupError(f"{path}: can't be read ({first_line(error)})") from error
        restored = _prepare(copy, path, now)
        try:
            with _opened(copy) as source, _opened(Path(database.where)) as target:
                source.backup(target)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{database.where}: can't be restored ({first_line(error)})") from error
    return restored


def _prepare(copy: Path, path: Path, now: Identity) -> Identity:
    """Bring the copy of a backup to this version's schema, and to an epoch above the ledger's."""
    with _opened(copy) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables >= {"decisions", "arms", "routers"}:
        raise BackupError(f"{path}: is no backup of a ledger")
    backup = open_database(f"sqlite:///{copy}")
    try:
        found = read_identity(backup)
        return begin_epoch(backup, now.epoch if found.ledger_id == now.ledger_id else 0)
    finally:
        backup.close()


def _require_sound(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"{path}: is damaged ({found})")


@contextlib.contextmanager
def _opened(path: Path, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10)
    with contextlib.closing(connection):
        yield connection


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
