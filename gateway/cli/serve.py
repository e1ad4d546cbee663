"""`serve`: run the gateway."""

import os
from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.options import (
    Config,
    DatabaseUrl,
)
from gateway.serving.server import run
from gateway.settings import Settings
from gateway.settings.loading import load, override

app = new_app()


@app.command()
def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (default 8790); 0: a free one.")] = None,
    database_url: DatabaseUrl = None,
    durability: Annotated[
        str | None, typer.Option(help="commit: send an answer after it is recorded; async: before.")
    ] = None,
    drain_seconds: Annotated[
        float | None, typer.Option(help="How long to go on after SIGTERM while /readyz says 503 (default 5).")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info (default: one line per request), warning or error.")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="json, console, or auto (default): console on a terminal.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port and the database.")] = 1,
) -> None:
    """Run the gateway."""

    def read() -> Settings:
        return override(
            load(config, os.environ),
            host=host,
            port=port,
            database_url=database_url,
            durability=durability,
            drain_seconds=drain_seconds,
            log_level=log_level,
            log_format=log_format,
        )

    run(read, typer.echo, workers)
