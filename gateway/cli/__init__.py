"""The command line, `bandit-gateway`. Each command is the module of its name."""

import signal
import sys

from gateway.garbage import collect_seldom


def main() -> None:
    """Run the command line."""
    collect_seldom()
    if sys.argv[1:2] == ["serve"]:
        # It would end a gateway that is still starting; `serve` reads the configuration again once it can.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    from gateway.cli.commands import app  # noqa: PLC0415 - after the signal is blocked

    app()
