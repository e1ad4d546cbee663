"""Soak test of a gateway under mixed faults: nothing unhandled, nothing leaked, one outcome for each request.

Runs `bandit-gateway serve` on SQLite before a faulty provider (gateway.py lists the faults), with clients that read
everything, leave early, read slowly or not at all, and score answers. Memory, descriptors, sockets, threads and tasks
are compared after a warm-up and at the end. Exit status 1 if they have grown, the log complains, an answer was wrong,
or the ledger is not what the clients saw.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from storage.database.engine import open_database
from tests.reliability.soak.audit import audit_ledger, read_log
from tests.reliability.soak.clients import Clients, Memory
from tests.reliability.soak.gateway import Soaked, run_gateway
from tests.reliability.soak.resources import Held, Watcher, compare, creep

TELL_EVERY_SECONDS = 5.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="after the warm-up (default 10)")
    parser.add_argument("--warm-up", type=float, default=30.0, metavar="SECONDS", help="default 30")
    parser.add_argument("--connections", type=int, default=64, help="default 64")
    parser.add_argument("--seed", type=int, default=1, help="of the clients' choices (default 1)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the report as JSON")
    return parser.parse_args(arguments)


async def put_on(clients: Clients, seconds: float, watcher: Watcher, memory: Memory, console: Console) -> list[Held]:
    """Run the clients for this long, and print progress every few seconds."""
    seen: list[Held] = []
    started = time.monotonic()
    asking = asyncio.create_task(clients.run(seconds))
    while not (await asyncio.wait({asking}, timeout=TELL_EVERY_SECONDS))[0]:
        held = await asyncio.to_thread(watcher.look)
        seen.append(held)
        asked = sum(memory.requests.values())
        console.print(f"{time.monotonic() - started:5.0f} s: {asked} requests, {len(memory.wrong)} wrong; {held}")
    await asking
    return seen


def soak(soaked: Soaked, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Warm up, soak and stop; the report."""
    memory, watcher = Memory(), Watcher(soaked)
    clients = Clients(soaked.process.url, soaked.process.key, options.connections, options.seed, memory)
    asyncio.run(put_on(clients, options.warm_up, watcher, memory, console))
    before = watcher.look_when_quiet()
    console.print(f"after the warm-up: {before}")
    seen = asyncio.run(put_on(clients, options.minutes * 60.0, watcher, memory, console))
    after = watcher.look_when_quiet()
    console.print(f"at the end:        {after}")
    status = soaked.process.stop()
    found = compare(before, after, options.connections) + creep(seen)
    if status != 0:
        found.append(f"the gateway ended with status {status}")
    with closing(open_database(soaked.database_url)) as database:
        outcomes, wrong = audit_ledger(database, memory)
    complaints = read_log(soaked.process.log)
    return {
        "minutes": options.minutes,
        "connections": options.connections,
        "requests": dict(memory.requests),
        "answers": dict(memory.statuses),
        "outcomes": outcomes,
        "left before any header": memory.unknown,
        "after the warm-up": asdict(before),
        "at the end": asdict(after),
        "memory_mb every minute": [held.memory_mb for held in seen[:: round(60 / TELL_EVERY_SECONDS)]],
        "largest memory_mb": max((held.memory_mb for held in seen), default=after.memory_mb),
        "complaints in the log": len(complaints),
        "wrong": found + wrong + complaints[:5] + memory.wrong[:5],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak and report; the exit status."""
    options = parse(arguments)
    console = Console(soft_wrap=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, run_gateway(Path(folder)) as soaked:
        report = soak(soaked, options, console)
    console.print(json.dumps(report, indent=2), markup=False)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
