"""`export`: write a router's ledger to a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import existing_router, opened
from gateway.cli.errors import CommandError
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Router,
)
from gateway.cli.output import say
from gateway.reports.export import FORMATS, ExportError, write, write_file
from storage.stores.exports import EXPORTS
from storage.stores.ledger import Ledger

app = new_app()


@app.command()
def export(
    router: Router,
    table: Annotated[str, typer.Option(help="requests, attempts, feedback or spend (per day and model).")] = "requests",
    format: Annotated[str, typer.Option(help="csv, jsonl or parquet.")] = "csv",  # noqa: A002 - the option's name
    output: Annotated[Path | None, typer.Option(help="The file to write (default: standard output).")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Export a router's ledger, a row per request (or attempt, score, day), in constant memory.

    Rows are read in pages, so that the export may take its time; of requests that end meanwhile some may be missing.
    """
    if table not in EXPORTS:
        raise CommandError(f"--table must be one of {', '.join(EXPORTS)}, not {table!r}", 2)
    if format not in FORMATS:
        raise CommandError(f"--format must be one of {', '.join(FORMATS)}, not {format!r}", 2)
    if output is None and format == "parquet":
        raise CommandError("Parquet is no text: name a file with --output", 2)
    with opened(config, database_url) as database:
        existing_router(database, router)
        rows = Ledger(database).export(router, table)
        try:
            count = write(rows, format, sys.stdout.buffer) if output is None else write_file(rows, format, output)
        except ExportError as error:
            raise CommandError(str(error)) from None
    what = f"{count:,} {'requests' if table == 'requests' else 'rows'}" + (f" in {output}" if output else "")
    say(f"{what}, read in pages: of requests that ended meanwhile some may be missing")
