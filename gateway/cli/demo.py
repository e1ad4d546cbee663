"""`demo`: watch a router learn."""

from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.errors import CommandError
from gateway.demo.gateway import DemoError
from gateway.demo.run import run

app = new_app()


@app.command()
def demo(
    requests: Annotated[int, typer.Option(min=20, max=10_000, help="Scored requests to send.")] = 300,
) -> None:
    """Watch a router learn: simulated models, simulated users who ask, wait and score, a temporary database."""
    try:
        run(requests)
    except DemoError as error:
        raise CommandError(str(error)) from None
