"""Options that several commands share, and what they open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gateway.cli.failures import CommandError

if TYPE_CHECKING:
    from gateway.settings import Settings
    from storage.database.engine import Database

Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="The configuration file (default: bandit-gateway.toml, if it exists).")
]
DatabaseUrl: TypeAlias = Annotated[
    str | None, typer.Option("--database-url", help="sqlite:///PATH or postgresql://…, over the configuration's.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def read_settings(config: Path | None, database_url: str | None = None) -> Settings:
    """The settings, with the command line's database. Raises SettingsError."""
    from gateway.settings.loading import load, override  # noqa: PLC0415 - not for --help

    return override(load(config, os.environ), database_url=database_url)


@contextmanager
def opened(config: Path | None, database_url: str | None, *, create: bool = False) -> Iterator[Database]:
    """The configured database, its schema up to date; a missing SQLite file is only made with `create`.

    Raises CommandError, SettingsError and storage's errors.
    """
    from gateway.settings import missing_database  # noqa: PLC0415 - not for --help
    from storage.database.engine import open_database  # noqa: PLC0415 - not for --help

    settings = read_settings(config, database_url)
    missing = None if create else missing_database(settings.database_url)
    if missing is not None:
        raise CommandError(
            f"there is no database {missing} yet: `bandit-gateway serve` makes it; or name one with --database-url"
        )
    database = open_database(settings.database_url, settings.sqlite_synchronous)
    try:
        yield database
    finally:
        database.close()
