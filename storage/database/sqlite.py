"""Engines for SQLite: write-ahead log, foreign keys, busy timeout, and explicit transactions."""

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from storage.database.open_files import OpenFiles

BUSY_SECONDS = 4.0
"""Busy timeout: a lock that is held for longer counts as an outage."""

CHECKPOINT_PAGES = 4_000
"""Pages of the write-ahead log after which a commit checkpoints it. The writer's does not: it has a `Checkpointer`."""

RESTART_PAGES = 16_000
"""Pages at which the checkpointer begins the log anew, for which it locks out writing for as long as two syncs take."""

WRITER_CHECKPOINT_PAGES = 64_000
"""Pages after which a commit of the writer checkpoints nevertheless: the checkpointer does not keep up."""

WRITER_CACHE_KIB = 8_192
"""Pages that the writer keeps. SQLite's own 2 MB do not hold those that a hundred routers change in turn: each record
read some four of them again.
"""

LARGEST_LOG_BYTES = RESTART_PAGES * 4_096
"""To which a write-ahead log that grew, because of a long read, is cut when it begins anew."""


def make_engine(url: URL, synchronous: str, files: OpenFiles, *, pooled: bool = True) -> Engine:
    """Make an engine for a file. Writing transactions need the execution option `immediate`."""
    place = url.set(drivername="sqlite+pysqlite")
    # Python's driver keeps 128 statements prepared, which each number of rows of each table soon exceeds.
    options = {"timeout": BUSY_SECONDS, "cached_statements": 512}
    pooling: dict[str, Any] = {"pool_size": 5, "max_overflow": 20} if pooled else {"poolclass": NullPool}
    # Errors, which are logged, must not tell what callers have said.
    engine = create_engine(place, connect_args=options, hide_parameters=True, **pooling)

    @event.listens_for(engine, "do_connect")
    def require_file(*_: object) -> None:
        # SQLite would make an empty file in place of one that is being replaced.
        if files.database() is None:
            raise sqlite3.OperationalError("unable to open database file: it is not there")
        files.remove_former_log()

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        _enter_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG_BYTES}")
        ensure_power(connection)
        files.note()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails if another process has written in between.
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def create_privately(path: Path) -> None:
    """Make an empty file that only its owner may open, unless there is one; it is a database without tables.

    SQLite gives the `-wal` and `-shm` beside a database the same mode.
    """
    with contextlib.suppress(OSError):  # it is there, or can't be made, which SQLite then tells
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def is_damage(error: BaseException) -> bool:
    """Test whether SQLite has found that a file is no database, or a damaged one. Looks at an error's causes, too."""
    found: BaseException | None = error
    while found is not None:
        found = getattr(found, "orig", None) or found
        code = getattr(found, "sqlite_errorcode", None)
        if code is not None:
            return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
        found = found.__cause__
    return False


def ensure_power(connection: sqlite3.Connection) -> None:
    """Define `power` if SQLite was built without mathematical functions."""
    try:
        connection.execute("SELECT power(2.0, -1.0)")
    except sqlite3.OperationalError:
        connection.create_function("power", 2, lambda base, exponent: base**exponent, deterministic=True)


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, with retries: here SQLite ignores its busy timeout."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
