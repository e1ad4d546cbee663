"""What a command says when it can't: one clear line on stderr and an exit status, never a stack trace.

2: the command line, the configuration or the environment is wrong. 1: it was right, and failed.
"""

from typing import Any

import typer
from typer.core import TyperGroup


class CommandError(Exception):
    """A command can't do what it was asked; the message says why and what to do. `status` is the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Commands(TyperGroup):
    """The commands, with known failures turned into lines."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):
            raise typer.Exit(130) from None
        except Exception as error:
            status = exit_status(error)
            if status is None:
                raise
            for line in str(error).splitlines():
                typer.echo(f"bandit-gateway: {line}", err=True)
            raise typer.Exit(status) from None


def exit_status(error: Exception) -> int | None:
    """The exit status of an expected failure; None for a defect of ours, whose stack trace is wanted."""
    from gateway.demo.house import DemoError  # noqa: PLC0415 - not for --help
    from gateway.serving.socket import ServerError  # noqa: PLC0415 - not for --help
    from gateway.settings import SettingsError  # noqa: PLC0415 - not for --help
    from gateway.settings.router_options import OptionsError  # noqa: PLC0415 - not for --help
    from storage.errors import LedgerError  # noqa: PLC0415

    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, SettingsError | OptionsError):
        return 2
    return 1 if isinstance(error, LedgerError | ServerError | DemoError) else None
