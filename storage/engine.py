"""Opens the ledger's database, and is the border where the driver's errors become ours."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import DatabaseUnavailable
from storage.schema import migrate_database, require_current_schema
from storage.tables import settings

BUSY_SECONDS = 5.0
"""How long SQLite waits for another process's write before it counts as away."""

CHECKPOINT_PAGES = 4_000
"""Pages of SQLite's write-ahead log after which a commit moves them into the file: with the usual 1,000 one commit in
a hundred has to wait for the disk, with 4,000 one in several hundred."""

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
OLDEST_POSTGRESQL = 13

PROBE_BYTES = 512 * 1024
"""What `check_writable` writes for a moment: a full disk has room for less before it has room for a batch."""

_PROBE = "probe"


class Database:
    """A database of the ledger, open. `where` names it without its password."""

    def __init__(self, engine: Engine, where: str) -> None:
        self.engine = engine
        self.where = where
        self.sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads all see one state on SQLite. Raises DatabaseUnavailable."""
        with self._errors_as_ours(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose reads all see one state, and may take their time. Raises DatabaseUnavailable."""
        with self._errors_as_ours(), self.engine.connect() as connection:
            if self.sqlite:
                yield connection
                return
            patient = connection.execution_options(isolation_level="REPEATABLE READ")
            patient.execute(text("SET LOCAL statement_timeout = 0"))
            yield patient

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block. Raises DatabaseUnavailable."""
        with (
            self._errors_as_ours(),
            self.engine.connect() as connection,
            connection.execution_options(immediate=True).begin(),
        ):
            yield connection

    def check(self) -> None:
        """Raises DatabaseUnavailable where the database does not answer now."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def check_writable(self) -> None:
        """Raises DatabaseUnavailable where the database does not take what a large batch would write."""
        row = {"name": _PROBE, "value": "0" * PROBE_BYTES, "updated_at": 0.0}
        with self.write() as connection:
            connection.execute(delete(settings).where(settings.c.name == _PROBE))
            connection.execute(insert(settings), row)
        with self.write() as connection:
            connection.execute(delete(settings).where(settings.c.name == _PROBE))

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()

    @contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            raise unavailable(self.where, getattr(error, "orig", None) or error) from error


def unavailable(where: str, error: BaseException) -> DatabaseUnavailable:
    """The driver's error as ours, in one line."""
    return DatabaseUnavailable(f"the database {where} is not usable now: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """What the driver says, without the details, which may hold what was to be written."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def open_database(url: str, sqlite_synchronous: str = "normal", *, migrate: bool = True) -> Database:
    """Open `sqlite:///PATH` or `postgresql://…` and bring its schema up to date.

    With `migrate` false the schema is only checked. `sqlite_synchronous` is `normal` (an acknowledged row survives the
    death of every process) or `full` (the loss of power too). Raises DatabaseUnavailable.
    """
    database = connect(url, sqlite_synchronous)
    try:
        if migrate:
            migrate_database(database.engine)
        else:
            require_current_schema(database.engine, database.where)
    except DBAPIError as error:
        database.close()
        raise DatabaseUnavailable(_cannot_open(database, error.orig or error)) from error
    except DatabaseUnavailable:
        database.close()
        raise
    return database


def connect(url: str, sqlite_synchronous: str) -> Database:
    """A database whose schema nobody has looked at. Raises DatabaseUnavailable for a URL that is none of ours."""
    try:
        parsed = make_url(url)
        scheme = parsed.get_backend_name()
    except ArgumentError:
        raise DatabaseUnavailable(_WRONG_URL) from None
    if scheme == "sqlite":
        return _open_sqlite(parsed, sqlite_synchronous)
    if scheme in {"postgresql", "postgres"}:
        return _open_postgresql(parsed)
    raise DatabaseUnavailable(f"{_WRONG_URL}, not {scheme}")


_WRONG_URL = "the database URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"


def _open_sqlite(url: URL, synchronous: str) -> Database:
    if synchronous not in {"normal", "full"}:
        raise DatabaseUnavailable(f'sqlite_synchronous must be "normal" or "full", not {synchronous!r}')
    if not url.database or url.database == ":memory:":
        raise DatabaseUnavailable("a SQLite database needs a file, as in sqlite:///bandit-gateway.db")
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"), connect_args={"timeout": BUSY_SECONDS}, pool_size=5, max_overflow=20
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        _enter_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        ensure_power(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return Database(engine, str(Path(url.database)))


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Write-ahead logging; SQLite does not wait for its busy timeout here when processes open at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def ensure_power(connection: sqlite3.Connection) -> None:
    """SQLite can be built without mathematical functions; adding statistics takes one."""
    try:
        connection.execute("SELECT power(2.0, -1.0)")
    except sqlite3.OperationalError:
        connection.create_function("power", 2, lambda base, exponent: base**exponent, deterministic=True)


def _open_postgresql(url: URL) -> Database:
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC",
    }
    where = URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args=options,
            paramstyle="format",
            pool_size=5,
            max_overflow=20,
            pool_pre_ping=True,
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise DatabaseUnavailable(
            "PostgreSQL needs its driver: install bandit-gateway with the extra `postgres` (psycopg 3)"
        ) from None
    return Database(engine, where)


def _cannot_open(database: Database, error: BaseException) -> str:
    if database.sqlite:
        folder = Path(database.where).resolve().parent
        remedy = f"check that {folder} exists and can be written, and that the file is a SQLite database"
    else:
        remedy = "check that the server runs and that the URL's host, user, password and database are right"
    return f"the database {database.where} can't be opened ({first_line(error)}); {remedy}"
