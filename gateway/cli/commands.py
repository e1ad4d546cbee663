"""Finds and runs commands, and reports their errors. A command's module is imported only if the command is named."""

import re
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli.errors import CommandError, exit_status
from gateway.cli.terminal import printable

COMMANDS = {
    "serve": "Run the gateway.",
    "demo": "Watch a router learn, with simulated models and simulated users.",
    "migrate": "Bring the database's schema up to date (`serve` does this too).",
    "doctor": "Check configuration, models, database, address and packages.",
    "health": "Show what is broken in any process that serves, and what to do.",
    "explain": "Explain one decision, and compare it with a replay.",
    "evaluate": "Estimate what another policy would have cost and scored.",
    "savings": "Show what a router saved, against always one of its models.",
    "export": "Export a router's ledger as CSV, JSON lines or Parquet.",
    "backup": "Copy the ledger to a file while gateways serve.",
    "restore": "Bring a backup back, or tell gateways that a dump was restored.",
    "rebuild": "Recompute the statistics from the ledger.",
    "keys": "API keys: create, list, show, set, rotate, revoke.",
    "routers": "Routers: list, show, create, set, delete, restore.",
    "sites": "Call sites, which are classes of requests: list, rename.",
    "evals": "Evaluations of models: run, import, list, show, withdraw, delete.",
    "feedback": "Feedback: import scores of a file.",
    "models": "Models: list what the catalog knows, resume one, refresh the catalog.",
    "records": "Records that the database refused: list, show, retry.",
    "activity": "Activity: requests, waits, dollars and scores over time, by model and key.",
    "changes": "Changes: who changed what; take one back.",
    "version": "Print the version.",
}
"""The commands with their lines in `--help`, which imports no more. A command is `app` in the module of its name."""


_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python makes of a byte that is not UTF-8."""


def new_app(*, cls: type[TyperGroup] = TyperGroup, **options: Any) -> typer.Typer:
    """A Typer application with this command line's conventions."""
    return typer.Typer(
        cls=cls,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )


def new_group(name: str) -> typer.Typer:
    """A Typer application of several commands, such as `keys`."""
    group = new_app()
    # The callback makes it a group for Typer even if it has only one command.
    group.callback(help=COMMANDS[name])(_placeholder)
    return group


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bandit-gateway {version('bandit-gateway')}")
        raise typer.Exit


class LazyGroup(TyperGroup):
    """The commands of `COMMANDS`, imported when they are run. Expected errors become a line and an exit status."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the placeholder by the command itself. `--help` and suggestions only need placeholders.

        Raises CommandError for an argument that is not UTF-8: no database can hold it, and no JSON.
        """
        for argument in args:
            if _SURROGATE.search(argument):
                raise CommandError(f"the argument {argument[:80]!r} is not valid UTF-8", 2)
        name, _, rest = super().resolve_command(ctx, args)
        _print_version("--version" in rest)  # after a command, too
        return name, typer.main.get_command(import_module(f"gateway.cli.{name}").app), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the named command."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):
            raise typer.Exit(130) from None
        except Exception as error:
            status = exit_status(error)
            if status is None:
                raise
            for line in printable(str(error)).splitlines():
                typer.echo(f"bandit-gateway: {line}", err=True)
            raise typer.Exit(status) from None


def _placeholder() -> None:
    """Do nothing: Typer needs a function for each command and group, which `LazyGroup` replaces."""


app = new_app(
    cls=LazyGroup,
    name="bandit-gateway",
    help="A self-hosted, OpenAI-compatible LLM router that learns which model to use.",
)


@app.callback()
def _options(
    version_wanted: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options before the command."""


for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(_placeholder)
