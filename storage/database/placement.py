"""Finds the ledger on a PostgreSQL server: its schema, and whether a connection pooler is in between."""

import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from storage.database.postgresql import Address, make_engine, quoted
from storage.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

OWN_SCHEMA = "bandit_gateway"
"""The schema of a new ledger, if none is named."""

_LEDGERS = """
SELECT schema.nspname FROM pg_namespace AS schema
WHERE (SELECT count(*) FROM pg_class WHERE relnamespace = schema.oid AND relname IN ('decisions', 'arms')) = 2
AND EXISTS (SELECT FROM pg_class WHERE relnamespace = schema.oid
    AND relname IN ('bandit_gateway_version', 'alembic_version'))
"""


@dataclass(frozen=True, slots=True)
class Placement:
    """The ledger's schema, which may not exist yet. `pooler`: transactions may run on any of a pooler's connections."""

    schema: str
    pooler: bool

    @property
    def search_path(self) -> str:
        """The setting by which names without a schema are the ledger's."""
        return quoted(self.schema)


def find_ledger(address: Address) -> Placement:
    """Connect, and find the ledger, or the place for a new one. Raises DatabaseUnavailable and the driver's errors.

    The schema that is named, else the first of the search path that is named; else `bandit_gateway`, unless there is a
    ledger on the server's search path already, from a version that had no schema of its own.
    """
    pooler = _refuses_options(address)
    engine = make_engine(address.place, address.settings, pooled=False, pooler=pooler)
    try:
        with engine.connect() as connection:
            return Placement(_schema(connection, address), pooler or _is_pooled(connection))
    except OperationalError as error:
        if "statement pooling" in str(error):
            raise DatabaseUnavailable(
                f"the database {address.where} is behind a pooler in statement mode, which has no transactions: set "
                "its pool_mode to transaction or session"
            ) from error
        raise
    finally:
        engine.dispose()


def _refuses_options(address: Address) -> bool:
    """Try to connect with our settings as start-up options. Poolers such as PgBouncer refuse these."""
    engine = make_engine(address.place, address.settings, pooled=False)
    try:
        engine.connect().close()
    except OperationalError as error:
        if "unsupported startup parameter" in str(error):
            return True
        raise
    finally:
        engine.dispose()
    return False


def _is_pooled(connection: Connection) -> bool:
    """Compare the server's process with the one that greeted us: that was the pooler, if they differ."""
    driver: Any = connection.connection.driver_connection
    greeted: int = driver.info.backend_pid
    working: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return working != greeted


def _schema(connection: Connection, address: Address) -> str:
    if address.schema is not None:
        return address.schema
    ledgers = set(connection.execute(text(_LEDGERS)).scalars())
    path: list[str] = connection.execute(text("SELECT current_schemas(false)")).scalar_one()
    here = next((schema for schema in path if schema in ledgers), None)
    if asked := address.settings.get("search_path"):
        named = (name.strip().strip('"') for name in asked.split(","))
        return here or next((name for name in named if name != "$user"), OWN_SCHEMA)
    if OWN_SCHEMA not in ledgers:
        return here or OWN_SCHEMA
    if here not in {None, OWN_SCHEMA}:
        log.warning(
            "the database %s has a ledger in the schema %s too; this is the one in %s: name the other with "
            "database_schema if it is meant",
            address.where,
            here,
            OWN_SCHEMA,
        )
    return OWN_SCHEMA
