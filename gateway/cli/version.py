"""`version`: print the version."""

from importlib.metadata import version as version_of

import typer

from gateway.cli.commands import new_app
from gateway.cli.options import (
    Json,
)
from gateway.cli.output import print_json

app = new_app()


@app.command()
def version(json: Json = False) -> None:
    """Print the version."""
    number = version_of("bandit-gateway")
    if json:
        print_json({"version": number})
    else:
        typer.echo(f"bandit-gateway {number}")
