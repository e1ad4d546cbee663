"""Exit statuses: expected errors are one line on stderr, never a stack trace.

2: the command line, the configuration or the environment is wrong. 1: the command itself failed.
"""

from gateway.errors import GatewayError
from gateway.serving.socket import ServerError
from gateway.settings import SettingsError
from gateway.settings.router_options import OptionsError
from storage.errors import LedgerError


class CommandError(Exception):
    """A command can't do what it was asked to; the message says why, and what to do."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def exit_status(error: Exception) -> int | None:
    """The exit status of an expected error; None for a defect, whose stack trace is needed."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, SettingsError | OptionsError):
        return 2
    return 1 if isinstance(error, LedgerError | ServerError | GatewayError) else None
