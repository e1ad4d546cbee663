"""The schema's version: the first process runs the migrations, and one query recognises a current schema.

Revisions are numbered in order. A schema that is newer than this version is accepted, so that an older version can run
beside a newer one during a deploy; what it can no longer write waits in its spool (ADR 7).
"""

import logging
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from storage.errors import SchemaOutdated

log = logging.getLogger(__name__)

HEAD = "0010"
"""The newest revision; a test compares it with the migrations' own head."""

MIGRATIONS = Path(__file__).parent.parent / "migrations"

_ADVISORY_LOCK = 0x62616E646974  # "bandit": the id of the advisory lock


def migrate_database(engine: Engine) -> None:
    """Migrate the schema to `HEAD` in one transaction, under an advisory lock."""
    with engine.connect() as connection:
        if _is_current(revision_of(connection)):
            return
        connection.rollback()
        with connection.execution_options(immediate=True).begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            if not _is_current(revision_of(connection)):
                upgrade(connection, "head")


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
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to `revision` (`head`: all) in the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - not needed if the schema is current
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _is_current(found: str | None) -> bool:
    if found is not None and found > HEAD:
        log.warning("the database has schema %s, newer than this version's %s: a newer version runs too", found, HEAD)
    return found is not None and found >= HEAD
