"""`restore`: bring a backup back while gateways serve, or tell them that a dump was restored."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import report
from storage.maintenance.backup import restore as restore_backup
from storage.stores.identity import begin_epoch

app = new_app()


@app.command()
def restore(
    file: Annotated[Path | None, typer.Argument(help="A file of `backup` (SQLite).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace the ledger without a question.")] = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Replace a SQLite ledger by a backup. Without FILE, after `pg_restore`: begin an epoch that gateways follow."""
    with opened(config, database_url, create=file is not None) as database:
        if file is None:
            identity = begin_epoch(database)
            told = f"{database.where} is in epoch {identity.epoch}: gateways that run read everything anew"
            report(asdict(identity), told, json=json)
            return
        if database.placement is not None:
            raise CommandError(
                "PostgreSQL's own tool restores a dump: pg_restore --clean --if-exists --single-transaction "
                f"--dbname=DATABASE_URL {file}; then run `bandit-gateway restore` without a file"
            )
        if not yes and not typer.confirm(f"Replace the ledger {database.where} by {file}?"):
            raise typer.Abort
        identity = restore_backup(database, file)
    told = f"{database.where} is {file} now, in epoch {identity.epoch}: gateways that run read everything anew"
    report(asdict(identity), told, json=json)
