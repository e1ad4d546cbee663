"""Opens the database that a command works on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.errors import CommandError
from gateway.cli.options import read_settings
from gateway.settings import missing_database
from storage.database.engine import Database, open_database
from storage.records import RouterRecord
from storage.stores.routers import Routers


@contextmanager
def opened(config: Path | None, database_url: str | None, *, create: bool = False) -> Iterator[Database]:
    """The configured database, its schema up to date. A missing SQLite file is an error, or created with `create`.

    Raises CommandError, SettingsError and storage's errors.
    """
    settings = read_settings(config, database_url)
    missing = None if create else missing_database(settings.database_url)
    if missing is not None:
        raise CommandError(
            f"there is no database {missing} yet: `bandit-gateway serve` makes it; or name one with --database-url"
        )
    database = open_database(settings.database_url, settings.sqlite_synchronous, schema=settings.database_schema)
    try:
        yield database
    finally:
        database.close()


def existing_router(database: Database, router_id: str) -> RouterRecord:
    """A router of the database. Raises CommandError, which lists the routers that exist."""
    routers = Routers(database)
    record = routers.get(router_id)
    if record is None:
        known = ", ".join(each.id for each in routers.all()) or "none"
        raise CommandError(f"there is no router {router_id}; there are {known}")
    return record
