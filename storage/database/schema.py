"""The schema's version: the first process runs the migrations, and one query recognises a current schema.

Revisions are numbered in order. A schema that is newer than this version is accepted, so that an older version can run
beside a newer one during a deploy; what it can no longer write waits in its spool (ADR 7).
"""

import logging
import re
import time
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select, text
from sqlalchemy.exc import DBAPIError

from storage.database.comments import store_comments
from storage.errors import DatabaseUnavailable, SchemaOutdated
from storage.views import create_views, drop_views

log = logging.getLogger(__name__)

HEAD = "0036"
"""The newest revision; a test compares it with the migrations' own head."""

MIGRATIONS = Path(__file__).parent.parent / "migrations"

VERSION_TABLE = "bandit_gateway_version"
"""Our own: other applications that share a database have an `alembic_version` too."""

LOCK_SECONDS = 5
"""For a lock on a table: whoever needs the table queues behind the migration, so it retries instead of waiting on."""

STATEMENT_SECONDS = 3_600
PATIENCE_SECONDS = 3_600.0
"""How long to wait for other processes, all in all."""

_POLL_SECONDS = 0.25
_REMARK_SECONDS = 10.0
_ADVISORY_LOCK = 0x62616E646974  # "bandit": the id of the advisory lock
_LOCKED = ("55P03", "40P01")  # lock not available, and a deadlock with a writer
_FORMER_TABLE = "alembic_version"  # up to revision 0009, and of any other application
_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))

_HOLDERS = """
SELECT pid, application_name, state, extract(epoch FROM now() - xact_start)::int FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND pid IN (
    SELECT pid FROM pg_locks WHERE granted AND (locktype = 'advisory' AND classid = :high AND objid = :low
    OR relation IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(current_setting('search_path'))))
) ORDER BY xact_start LIMIT 3
"""


def migrate_database(engine: Engine, where: str) -> None:
    """Migrate to `HEAD` in one transaction, which waits for other processes' and says so.

    Raises DatabaseUnavailable if others take too long, and the driver's errors.
    """
    deadline, remark_at = time.monotonic() + PATIENCE_SECONDS, time.monotonic()
    while not _try_to_migrate(engine):
        holders = _holders(engine)
        if time.monotonic() >= deadline:
            raise DatabaseUnavailable(
                f"the database {where} could not be migrated for {PATIENCE_SECONDS:.0f} s, because of {holders}"
            )
        if time.monotonic() >= remark_at:
            log.warning("the migration of the database %s waits for %s", where, holders)
            remark_at = time.monotonic() + _REMARK_SECONDS
        time.sleep(_POLL_SECONDS)


def require_current_schema(engine: Engine, where: str) -> None:
    """Raises SchemaOutdated if the schema is older than `HEAD`."""
    with engine.connect() as connection:
        found = revision_of(connection)
    if not _is_current(found):
        raise SchemaOutdated(
            f"the database {where} has schema {found or 'none'} and this version needs {HEAD}: "
            "run `bandit-gateway migrate`"
        )


def revision_of(connection: Connection) -> str | None:
    """Read the schema's revision; None for a database without one."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        return connection.execute(select(_version.c.version_num)).scalar()
    if tables >= {_FORMER_TABLE, "decisions", "arms"}:
        found = connection.execute(text(f"SELECT version_num FROM {_FORMER_TABLE}")).scalars()  # noqa: S608
        return max((revision for revision in found if re.fullmatch(r"00\d\d", revision)), default=None)
    return None


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to `revision` (`head`: all) in the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - not needed if the schema is current
    from alembic.config import Config  # noqa: PLC0415 - the same

    _create_schema(connection)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    drop_views(connection)
    command.upgrade(config, revision)
    if revision_of(connection) == HEAD:
        create_views(connection)
        store_comments(connection)


def _try_to_migrate(engine: Engine) -> bool:
    """Returns False if another process has a lock."""
    try:
        with engine.connect() as connection:
            if _is_current(revision_of(connection)):
                return True
            connection.rollback()
            with connection.execution_options(immediate=True).begin():
                if connection.dialect.name == "postgresql" and not _prepare(connection):
                    return False
                found = revision_of(connection)
                if not _is_current(found):
                    _adopt(connection, found)
                    upgrade(connection, "head")
    except DBAPIError as error:
        if _is_locked(error):
            return False
        raise
    return True


def _prepare(connection: Connection) -> bool:
    """Take the lock of migrations, and set their time limits. Returns whether the lock was free."""
    lock = text("SELECT pg_try_advisory_xact_lock(:lock)")
    if not connection.execute(lock, {"lock": _ADVISORY_LOCK}).scalar_one():
        return False
    for limit, seconds in (
        ("lock_timeout", LOCK_SECONDS),
        ("statement_timeout", STATEMENT_SECONDS),
        ("idle_in_transaction_session_timeout", 0),
    ):
        connection.execute(text(f"SET LOCAL {limit} = '{seconds}s'"))
    return True


def _create_schema(connection: Connection) -> None:
    """Create PostgreSQL's schema, which is the search path, unless it exists."""
    if connection.dialect.name != "postgresql":
        return
    # Not IF NOT EXISTS, which needs the privilege to create schemas even if it exists.
    path, exists = connection.execute(text("SELECT current_setting('search_path'), current_schema() IS NOT NULL")).one()
    if not exists:
        connection.execute(text(f"CREATE SCHEMA {path}"))


def _adopt(connection: Connection, found: str | None) -> None:
    """Make our own version table for a schema that has the former one, which stays for versions that read it."""
    if found is not None and not inspect(connection).has_table(VERSION_TABLE):
        _version.create(connection)
        connection.execute(_version.insert().values(version_num=found))


def _is_locked(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _LOCKED or "database is locked" in str(error.orig)


def _holders(engine: Engine) -> str:
    """Whoever has a lock that a migration needs, in words."""
    if engine.dialect.name == "sqlite":
        return "another process that writes to the file"
    lock = {"high": _ADVISORY_LOCK >> 32, "low": _ADVISORY_LOCK & 0xFFFFFFFF}
    with engine.connect() as connection:
        found = connection.execute(text(_HOLDERS), lock).all()
    named = (f"process {pid} ({name or 'no name'}, {state}, for {seconds} s)" for pid, name, state, seconds in found)
    return ", ".join(named) or "a process that has just ended"


def _is_current(found: str | None) -> bool:
    if found is not None and found > HEAD:
        log.warning("the database has schema %s, newer than this version's %s: a newer version runs too", found, HEAD)
    return found is not None and found >= HEAD
