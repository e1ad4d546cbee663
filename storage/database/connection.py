"""The writer's connection: held open, at the driver's level, so that a transaction takes two statements and no more.

SQLAlchemy's checkout, begin and commit cost more than the commit of a small SQLite transaction. Its Core still builds
the statements; here they are texts that were compiled once.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.database.engine import Database, first_line, unavailable
from storage.database.sqlite import WRITER_CACHE_KIB, WRITER_CHECKPOINT_PAGES
from storage.database.stepping import SteppingCursor
from storage.errors import Contention, DatabaseUnavailable, RecordRefused

_CONTENTION = {"40001", "40P01", "22012"}  # serialization failure, deadlock; `Statements.require_ledger` divides by 0


class WriteConnection:
    """An open connection; `connection`, `cursor` and `raw_cursor` are the driver's. Raises DatabaseUnavailable.

    `raw_cursor` takes parameters as `$1`; None on SQLite. On PostgreSQL `progress` is called after each step of a
    transaction.
    """

    def __init__(self, database: Database, progress: Callable[[], None] | None = None) -> None:
        self._database = database
        self._begin_sql = database.begin_sql
        driver = database.engine.dialect.loaded_dbapi
        self._errors: type[Exception] = driver.Error
        self._refusals: tuple[type[Exception], ...] = (driver.IntegrityError, driver.DataError)
        if database.sqlite:
            self._refusals += (driver.InterfaceError, driver.ProgrammingError)  # values that can't be bound
        try:
            self._holder = database.unpooled.raw_connection()
        except (DBAPIError, PoolTimeout, self._errors) as error:
            raise self._as_ours(error) from error
        self._file = database.files.database() if database.files else None
        connection: Any = self._holder.driver_connection
        self.connection = connection
        self.cursor: Any = connection.cursor()
        self.raw_cursor: Any = None if database.sqlite else driver.RawCursor(connection)
        if database.sqlite:
            # The writer deletes nothing, and writes what refers to a request with it, or after it has read it: looking
            # each reference up took a twentieth of the time of a record.
            self.cursor.execute("PRAGMA foreign_keys = OFF")
            self.cursor.execute(f"PRAGMA wal_autocheckpoint = {WRITER_CHECKPOINT_PAGES}")
            self.cursor.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
            # It deletes pending events alone: pages that they leave are not written once more.
            self.cursor.execute("PRAGMA secure_delete = FAST").fetchall()
        if progress is not None and not database.sqlite:
            self.cursor = SteppingCursor(self.cursor, progress)
            self.raw_cursor = SteppingCursor(self.raw_cursor, progress)

    @property
    def commits_alone(self) -> bool:
        """Whether a single statement can be a transaction: on PostgreSQL, unless a transaction has to be set up."""
        return not self._database.sqlite and self._begin_sql is None

    @contextmanager
    def transaction(self, *, together: bool = False, alone: bool = False) -> Iterator[None]:
        """Commit at the end of the block, else roll back.

        With `together`, PostgreSQL's statements are pipelined: the whole block takes one round trip. With `alone` the
        block runs one statement, which is a transaction by itself: that spares the driver half of its time. Raises
        DatabaseUnavailable, Contention (a retry may succeed), RecordRefused (a retry won't help).
        """
        try:
            if not self._database.sqlite and self.connection.autocommit != alone:
                self.connection.autocommit = alone
            with self._pipeline() if together else contextlib.nullcontext():
                if self._database.sqlite:
                    self.cursor.execute("BEGIN IMMEDIATE")
                if self._begin_sql is not None:
                    self.cursor.execute(self._begin_sql)
                yield
                if self._database.sqlite:
                    self.cursor.execute("COMMIT")  # the driver's `commit` would prepare this anew each time
                elif not alone:
                    self.connection.commit()
        except BaseException as error:
            with contextlib.suppress(self._errors):
                self.connection.rollback()
            if isinstance(error, self._errors):
                raise self._as_ours(error) from error
            raise

    def _pipeline(self) -> AbstractContextManager[object]:
        pipeline: AbstractContextManager[object] = self.connection.pipeline()
        return pipeline

    def version(self) -> str | None:
        """Return a value that changes when another connection commits; None on PostgreSQL, which has none such.

        Raises DatabaseUnavailable.
        """
        files = self._database.files
        if files is None:
            return None
        if files.database() != self._file:
            files.remove_former_log()
            self._database.close()  # pooled connections have the former file open, too
            raise DatabaseUnavailable(f"the file {self._database.where} was replaced or removed while it was in use")
        return str(self.read("PRAGMA data_version"))

    def read(self, sql: str) -> Any:
        """Return the value that a statement selects. Raises DatabaseUnavailable."""
        try:
            return self.cursor.execute(sql).fetchone()[0]
        except self._errors as error:
            raise self._as_ours(error) from error

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        with contextlib.suppress(self._errors, DBAPIError):
            self._holder.invalidate()

    def _as_ours(self, error: Exception) -> DatabaseUnavailable | Contention | RecordRefused:
        cause = getattr(error, "orig", None) or error
        if getattr(cause, "sqlstate", None) in _CONTENTION:
            return Contention(str(cause))
        if isinstance(cause, self._refusals):
            return RecordRefused(f"the database refuses this record: {first_line(cause)}")
        return unavailable(self._database.where, cause)
