"""Tries real clients against a real gateway: which checks hold, and what the user sees.

Starts `bandit-gateway serve` with a temporary SQLite ledger, simulated models and one model that cuts its streams;
installs each client into an environment of its own (kept, so that the next run is quick); runs the client's script in
tests/acceptance/clients/scripts and its example in docs/clients.md. Only the installation needs a network. Exit status
1 if a client failed a check that roster.py does not declare impossible. Without Node.js the clients that need it are
left out, unless --only names them.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.acceptance.clients.checks import try_client
from tests.acceptance.clients.environments import KEPT, NoNode, NotInstalled, install
from tests.acceptance.clients.gateway import run_gateway
from tests.acceptance.clients.report import Outcome, as_json, has_failed, show
from tests.acceptance.clients.roster import CLIENTS, Client
from tests.support.processes import RunFailed

_BY_NAME = {client.name: client for client in CLIENTS}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.acceptance.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, metavar="NAMES", help=f"of {', '.join(_BY_NAME)}; default all")
    parser.add_argument("--keep", type=Path, default=KEPT, metavar="FOLDER", help=f"of environments (default {KEPT})")
    parser.add_argument("--allow-missing", action="store_true", help="a client that can't be installed is no failure")
    parser.add_argument("--details", action="store_true", help="print what the user sees in every check")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything as JSON")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - _BY_NAME.keys())
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is not among {', '.join(_BY_NAME)}")
    return names


async def _try_all(
    clients: dict[str, Sequence[str]], outcomes: dict[str, Outcome], folder: Path, note: Console
) -> None:
    with run_gateway(_BY_NAME) as served:
        for name, command in clients.items():
            note.print(f"trying {name} {outcomes[name].version}")
            began = time.monotonic()
            outcomes[name].tried = await try_client(_BY_NAME[name], command, folder, served)
            outcomes[name].check_seconds = time.monotonic() - began
            if served.unhandled():
                outcomes[name].trouble = f"the gateway met an error that it did not handle:\n{served.unhandled()}"
                outcomes[name].is_failure = True
                break


def main() -> None:
    """Install and try the clients, and report."""
    options = parse()
    console, note = Console(width=None if sys.stdout.isatty() else 120), Console(stderr=True, highlight=False)
    chosen: list[Client] = [client for client in CLIENTS if options.only is None or client.name in options.only]
    folder = options.keep.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = {client.name: Outcome(client.name) for client in chosen}
    commands: dict[str, Sequence[str]] = {}
    for client in chosen:
        outcome, began = outcomes[client.name], time.monotonic()
        note.print(f"installing {client.name}")
        try:
            commands[client.name], outcome.version = install(client, folder)
        except NotInstalled as error:
            outcome.trouble = str(error)
            is_excused = options.only is None and isinstance(error, NoNode)
            outcome.is_failure = not (is_excused or options.allow_missing)
        outcome.install_seconds = time.monotonic() - began
    if commands:
        try:
            asyncio.run(_try_all(commands, outcomes, folder, note))
        except RunFailed as error:
            sys.exit(str(error))
    show(console, list(outcomes.values()), options.details)
    if options.json:
        options.json.write_text(json.dumps(as_json(list(outcomes.values())), indent=1) + "\n")
    sys.exit(1 if has_failed(list(outcomes.values())) else 0)


if __name__ == "__main__":
    main()
