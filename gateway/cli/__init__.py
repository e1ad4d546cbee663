"""The command line, `bandit-gateway`. Each command is the module of its name."""

from gateway.cli.commands import app


def main() -> None:
    """Run the command line."""
    app()
