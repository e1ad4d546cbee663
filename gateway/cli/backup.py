"""`backup`: copy the ledger to a file while gateways serve."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import report
from storage.maintenance.backup import back_up

app = new_app()


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; one that is there already is left alone.")],
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Copy a SQLite ledger to a file, as it is at one instant, while gateways serve."""
    with opened(config, database_url) as database:
        if database.placement is not None:
            raise CommandError(
                "PostgreSQL's own tool backs its ledger up: "
                f"pg_dump --format=custom --schema={database.placement.schema} --file={file} DATABASE_URL"
            )
        size = back_up(database, file)
    report({"file": str(file), "bytes": size}, f"{file}: the ledger as it was, {size / 1e6:,.1f} MB", json=json)
