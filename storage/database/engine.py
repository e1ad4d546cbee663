"""Opens the ledger's database, and wraps the driver's errors in ours."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from copy import copy
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.database import postgresql, sqlite
from storage.database.clock import DatabaseClock
from storage.database.open_files import OpenFiles
from storage.database.placement import Placement, find_ledger
from storage.database.schema import migrate_database, require_current_schema
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseUnavailable
from storage.tables import settings

log = logging.getLogger(__name__)

PROBE_BYTES = 512 * 1024
"""Bytes that `check_writable` writes and deletes: a nearly full disk takes a small row, but not a batch."""

PATIENCE = 5.0
"""Of a watched database, in the watchdog's usual limits: a million keys are read in one call."""

POOLER = (
    "a connection pooler: changes of other processes are polled for every second, because notifications (LISTEN) don't "
    "pass it"
)
"""What an operator should know about it."""

_REMEDIES = {
    "42501": "let the user create a schema (GRANT CREATE ON DATABASE), or create one that the user owns and name it "
    "with database_schema",
    "42P07": "the schema has tables of another application: name another one with database_schema",
}
"""Remedies by SQLSTATE: insufficient privilege, duplicate table."""

_PROBE = "probe"
_WRONG_URL = "the database URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"


class Database:
    """An open database of the ledger. `where` is its URL without the password; `unpooled` opens a new connection.

    `clock` is the one that all its processes share; `placement` is that of a ledger on PostgreSQL, `files` are those of
    one on SQLite.
    """

    def __init__(
        self,
        engine: Engine,
        unpooled: Engine,
        where: str,
        placement: Placement | None = None,
        files: OpenFiles | None = None,
    ) -> None:
        self.engine = engine
        self.unpooled = unpooled
        self.where = where
        self.clock = DatabaseClock()
        self.sqlite = engine.dialect.name == "sqlite"
        self.placement = placement
        self.files = files
        self._watchdog: Watchdog | None = None
        self._shared: ContextVar[Connection | None] = ContextVar("shared", default=None)

    def watched(self, watchdog: Watchdog) -> "Database":
        """Return this database for one thread at a time, whose calls fail soon if PostgreSQL hangs.

        Each call has a connection of its own: a pooled one would be tested before it is watched.
        """
        if self.sqlite:
            return self
        other = copy(self)
        other.engine, other._watchdog = self.unpooled, watchdog
        return other

    @property
    def pooler(self) -> bool:
        """Whether a connection pooler is in between: each transaction may run on another of its connections."""
        return self.placement is not None and self.placement.pooler

    @property
    def begin_sql(self) -> str | None:
        """What each transaction has to begin with; None if the connection is set up already."""
        if self.placement is None or not self.placement.pooler:
            return None
        return postgresql.set_locally({"search_path": self.placement.search_path})

    @contextmanager
    def errors_as_ours(self) -> Iterator[None]:
        """Raise the driver's errors in the block as DatabaseUnavailable."""
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            raise unavailable(self.where, getattr(error, "orig", None) or error) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for reading; on SQLite all its reads see one state. Raises DatabaseUnavailable."""
        shared = self._shared.get()
        if shared is not None:
            with self.errors_as_ours():
                yield shared
            return
        with self.errors_as_ours(), self.engine.connect() as connection, self._watching(connection):
            yield connection

    @contextmanager
    def sharing_reads(self) -> Iterator[None]:
        """Let all reads of this thread in the block use one connection, and on SQLite see one state.

        On PostgreSQL a connection costs three round trips each time: a ping, BEGIN and ROLLBACK. What is written
        meanwhile may not be seen. Raises DatabaseUnavailable.
        """
        with self.read() as connection:
            token = self._shared.set(connection)
            try:
                yield
            finally:
                self._shared.reset(token)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection whose reads see one state, without a time limit. Raises DatabaseUnavailable."""
        with self.errors_as_ours(), self.engine.connect() as connection:
            if self.sqlite:
                yield connection
                return
            patient = connection.execution_options(isolation_level="REPEATABLE READ")
            patient.execute(text("SET LOCAL statement_timeout = 0"))
            patient.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield patient

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run the block in a transaction that is committed at its end. Raises DatabaseUnavailable."""
        with (
            self.errors_as_ours(),
            self.engine.connect() as connection,
            self._watching(connection),
            connection.execution_options(immediate=True).begin(),
        ):
            yield connection

    def _watching(self, connection: Connection) -> AbstractContextManager[None]:
        if self._watchdog is None:
            return nullcontext()
        driver: Any = connection.connection.driver_connection
        return self._watchdog.over(driver, PATIENCE)

    def check(self) -> None:
        """Raises DatabaseUnavailable if the database does not answer now."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def check_writable(self) -> None:
        """Raises DatabaseUnavailable if the database can't be written now, or its disk has no room for a batch."""
        row = {"name": _PROBE, "value": "0" * PROBE_BYTES, "updated_at": 0.0}
        with self.write() as connection:
            connection.execute(delete(settings).where(settings.c.name == _PROBE))
            connection.execute(insert(settings), row)
        with self.write() as connection:
            connection.execute(delete(settings).where(settings.c.name == _PROBE))

    def empty_log(self) -> None:
        """Bring all of SQLite's write-ahead log into the file, and empty it, unless somebody reads from it now."""
        if self.sqlite:
            with self.errors_as_ours(), self.engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None  # noqa: S101 - it is open
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()
        if self.files is not None:
            self.files.forget()


def open_database(
    url: str, sqlite_synchronous: str = "normal", *, schema: str | None = None, migrate: bool = True
) -> Database:
    """Open `sqlite:///PATH` or `postgresql://…` and bring its schema up to date.

    With `migrate` false the schema is only checked. `sqlite_synchronous` is `normal` (an acknowledged row survives the
    death of every process) or `full` (the loss of power too). `schema`: see `placement`.
    Raises DatabaseUnavailable.
    """
    database = connect(url, sqlite_synchronous, schema)
    try:
        _require_version(database)
        if migrate:
            migrate_database(database.engine, database.where)
        else:
            require_current_schema(database.engine, database.where)
        with database.engine.connect() as connection:
            database.clock.read(connection)
    except DBAPIError as error:
        database.close()
        raise DatabaseUnavailable(_cannot_open(database.where, error.orig or error, database.sqlite)) from error
    except DatabaseUnavailable:
        database.close()
        raise
    if database.pooler:
        log.warning("the database %s is reached through %s", database.where, POOLER)
    return database


def connect(url: str, sqlite_synchronous: str, schema: str | None = None) -> Database:
    """Connect to a database without a look at its tables. Raises DatabaseUnavailable for any other kind of URL."""
    try:
        parsed = make_url(url)
        scheme = parsed.get_backend_name()
    except ArgumentError:
        raise DatabaseUnavailable(_WRONG_URL) from None
    if scheme in {"postgresql", "postgres"}:
        return _connect_server(postgresql.read_address(parsed, schema))
    if scheme != "sqlite":
        raise DatabaseUnavailable(f"{_WRONG_URL}, not {scheme}")
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseUnavailable("a SQLite database needs a file, as in sqlite:///bandit-gateway.db")
    if sqlite_synchronous not in {"normal", "full"}:
        raise DatabaseUnavailable(f'sqlite_synchronous must be "normal" or "full", not {sqlite_synchronous!r}')
    sqlite.create_privately(Path(parsed.database))
    files = OpenFiles(parsed.database)
    engine, unpooled = (
        sqlite.make_engine(parsed, sqlite_synchronous, files, pooled=pooled) for pooled in (True, False)
    )
    return Database(engine, unpooled, str(Path(parsed.database)), files=files)


def _connect_server(address: postgresql.Address) -> Database:
    try:
        placement = find_ledger(address)
    except DBAPIError as error:
        raise DatabaseUnavailable(_cannot_open(address.where, error.orig or error, sqlite=False)) from error
    settings = {**address.settings, "search_path": placement.search_path}
    engine, unpooled = (
        postgresql.make_engine(address.place, settings, pooled=pooled, pooler=placement.pooler)
        for pooled in (True, False)
    )
    return Database(engine, unpooled, f"{address.where}?schema={placement.schema}", placement)


def unavailable(where: str, error: BaseException) -> DatabaseUnavailable:
    """Wrap the driver's error, in one line."""
    return DatabaseUnavailable(f"the database {where} is not usable now: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """The first line of the driver's message: its details may hold what was to be written."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _require_version(database: Database) -> None:
    if not database.sqlite:
        with database.engine.connect() as connection:
            major = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        if major < postgresql.OLDEST:
            raise DatabaseUnavailable(
                f"the database {database.where} is PostgreSQL {major}; this needs {postgresql.OLDEST} or newer"
            )


def _cannot_open(where: str, error: BaseException, sqlite: bool) -> str:
    if sqlite:
        folder = Path(where).resolve().parent
        remedy = f"check that {folder} exists and can be written, and that the file is a SQLite database"
    else:
        remedy = _REMEDIES.get(
            getattr(error, "sqlstate", None) or "",
            "check that the server runs and that the URL's host, user, password and database are right",
        )
    return f"the database {where} can't be opened ({first_line(error)}); {remedy}"
