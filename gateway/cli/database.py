"""Opens the database that a command works on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from gateway.catalog.catalog import Catalog
from gateway.cli.errors import CommandError
from gateway.cli.options import read_settings
from gateway.management.context import Management
from gateway.settings import Settings, missing_database
from storage.database.engine import Database, open_database
from storage.records import Actor, RouterRecord, Via
from storage.stores.routers import Routers


@contextmanager
def opened(config: Path | None, database_url: str | None, *, create: bool = False) -> Iterator[Database]:
    """The configured database, its schema up to date. A missing SQLite file is an error, or created with `create`.

    Raises CommandError, SettingsError and storage's errors.
    """
    with _opened(read_settings(config, database_url), create=create) as database:
        yield database


@contextmanager
def _opened(settings: Settings, *, create: bool) -> Iterator[Database]:
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


@contextmanager
def managed(
    config: Path | None, database_url: str | None, *, create: bool = False, dry_run: bool = False
) -> Iterator[Management]:
    """Management of the configured database on behalf of the command line. Raises what `opened` raises."""
    settings = read_settings(config, database_url)
    with _opened(settings, create=create) as database:
        yield Management(
            database=database,
            catalog=lru_cache(lambda: Catalog(settings, datetime.now(UTC))),
            actor=Actor(Via.CLI),
            now=time.time(),
            base_url=settings.listening.url,
            declared_routers=tuple(settings.routers),
            dry_run=dry_run,
        )


def existing_router(database: Database, router_id: str) -> RouterRecord:
    """A router of the database. Raises CommandError, which lists the routers that exist."""
    routers = Routers(database)
    record = routers.get(router_id)
    if record is None:
        known = ", ".join(each.id for each in routers.all()) or "none"
        raise CommandError(f"there is no router {router_id}; there are {known}")
    return record
