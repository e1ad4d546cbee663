"""The command line: `bandit-gateway`. Bodies import what they need, so that `--help` is quick."""

import typer

from gateway.cli import analysing, checking, evals, explaining, keys, models, routers, running
from gateway.cli.failures import Commands
from gateway.cli.options import Json
from gateway.cli.output import print_json

app = typer.Typer(
    cls=Commands,
    name="bandit-gateway",
    help="A self-hosted, OpenAI-compatible LLM router that learns which model to use.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(running.serve)
app.command("demo")(running.demo)
app.command("migrate")(running.migrate)
app.command("explain")(explaining.explain)
app.command("evaluate")(analysing.evaluate)
app.command("export")(analysing.export)
app.command("rebuild")(analysing.rebuild)
app.command("doctor")(checking.doctor)
app.add_typer(keys.app, name="keys", help="API keys: create, list, revoke.")
app.add_typer(routers.app, name="routers", help="Routers: list, show, create, set, delete.")
app.add_typer(evals.app, name="evals", help="Scorecards: import, list.")
app.add_typer(models.app, name="models", help="Models: list what the catalog knows.")


@app.command()
def version(json: Json = False) -> None:
    """Print the version."""
    from importlib.metadata import version as version_of  # noqa: PLC0415

    number = version_of("bandit-gateway")
    if json:
        print_json({"version": number})
    else:
        typer.echo(f"bandit-gateway {number}")


def main() -> None:
    """Run the command line."""
    app()
