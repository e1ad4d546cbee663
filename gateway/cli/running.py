"""`serve`, `demo` and `migrate`."""

import logging
import os
from typing import Annotated

import typer

from gateway.cli.options import Config, DatabaseUrl, opened
from gateway.cli.output import say

DEMO_REQUESTS = 300


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (default 8790); 0: a free one.")] = None,
    database_url: DatabaseUrl = None,
    durability: Annotated[
        str | None, typer.Option(help="commit: an answer waits until it is recorded; async: it does not.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port and the database.")] = 1,
) -> None:
    """Run the gateway."""
    from gateway.settings.loading import load, override  # noqa: PLC0415 - not for --help

    settings = load(config, os.environ)
    settings = override(settings, host=host, port=port, database_url=database_url, durability=durability)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from gateway.serving.server import run  # noqa: PLC0415 - not before the settings are known to be right

    run(settings, typer.echo, workers)


def demo(
    requests: Annotated[int, typer.Option(min=20, max=10_000, help="Scored requests to send.")] = DEMO_REQUESTS,
) -> None:
    """Watch a router learn: simulated models, simulated users who ask, wait and score, a temporary database."""
    from gateway.demo import run  # noqa: PLC0415 - not for --help

    run(requests)


def migrate(config: Config = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database's schema up to date (`serve` does this too)."""
    with opened(config, database_url, create=True) as database:
        say(f"the database {database.where} is up to date")
