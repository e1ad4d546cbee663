"""`doctor`: check the installation."""

import os
from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Json,
)
from gateway.cli.output import print_json, print_table
from gateway.serving.doctor import State, examine

app = new_app()


@app.command()
def doctor(
    config: Config = None,
    database_url: DatabaseUrl = None,
    calls: Annotated[bool, typer.Option("--calls", help="Ask each provider, with its key, for its models.")] = False,
    json: Json = False,
) -> None:
    """Check configuration, models, database, address and packages; exit status 1 if something is wrong."""
    findings = list(examine(config, database_url, os.environ, calls=calls))
    if json:
        print_json([{"check": each.check, "state": each.state, "detail": each.detail} for each in findings])
    else:
        print_table(("check", "state", "detail"), [(each.check, each.state, each.detail) for each in findings], "")
    if any(each.state is State.WRONG for each in findings):
        raise typer.Exit(1)
