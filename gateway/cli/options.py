"""Options that several commands share, and functions that read their values."""

import json
import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from gateway.catalog.catalog import Catalog
from gateway.cli.errors import CommandError
from gateway.settings import Settings
from gateway.settings.loading import load, override

Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="The configuration file (default: bandit-gateway.toml, if it exists).")
]
DatabaseUrl: TypeAlias = Annotated[
    str | None, typer.Option("--database-url", help="sqlite:///PATH or postgresql://…, over the configuration's.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and show what would be; change nothing.")
]
Router: TypeAlias = Annotated[str, typer.Option(help="The router's id.")]
Id: TypeAlias = Annotated[str, typer.Argument(metavar="ID")]

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def read_settings(config: Path | None, database_url: str | None = None) -> Settings:
    """The settings without the secrets, with the command line's database. Raises SettingsError."""
    return override(load(config, os.environ, secrets=False), database_url=database_url)


def read_catalog(config: Path | None, database_url: str | None = None) -> Catalog:
    """The catalog of the configured models. Raises SettingsError."""
    return Catalog(read_settings(config, database_url), datetime.now(UTC))


def seconds_of(span: str) -> float:
    """Seconds in a span like `90d`. Raises CommandError."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdwy])", span.strip())
    if match is None:
        raise CommandError(f"a span of time is a number and m, h, d, w or y, such as 90d, not {span!r}", 2)
    return float(int(match[1]) * _UNITS[match[2]])


def toml_value(text: str) -> Any:
    """A value as in the configuration file; anything that is not TOML is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def setting_value(text: str) -> Any:
    """A value as `routers show` prints it, which is JSON, or as in the configuration file; else a string."""
    try:
        return json.loads(text)
    except ValueError:
        return toml_value(text)
