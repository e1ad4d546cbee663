"""What a command says when it can't: one clear line on stderr and an exit status, never a stack trace.

2: the command line, the configuration or the environment is wrong. 1: it was right, and failed.
"""

from gateway.serving.socket import ServerError
from gateway.settings import SettingsError
from gateway.settings.router_options import OptionsError
from storage.errors import LedgerError


class CommandError(Exception):
    """A command can't do what it was asked; the message says why and what to do. `status` is the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def exit_status(error: Exception) -> int | None:
    """The exit status of an expected failure; None for a defect of ours, whose stack trace is wanted."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, SettingsError | OptionsError):
        return 2
    return 1 if isinstance(error, LedgerError | ServerError) else None
