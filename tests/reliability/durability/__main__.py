"""Kills the gateway under load, again and again, and counts what was acknowledged and lost; and similar tests.

  (default)      rounds of load, SIGKILL at a random moment and restart; after each round the ledger is audited:
                 acknowledged answers and scores that are missing, outcomes counted twice, `rebuild --check`
  --replicas N   N processes write to one database, with retries and corrections: one state? how soon do all see it?
  --outage N     PostgreSQL is stopped for N seconds under load
  --disk-full N  the disk of a SQLite ledger is full for N seconds under load (needs root)
  --replay N     N decisions of a mixed run (every policy, budgets, shares, instructions, failovers, streams, tasks),
                 each replayed from its record by the code of `explain` and of GET /admin/decisions/{id}
  --writer       rows per second and commit latency of the ledger's writer, compared with one commit per request

Everything runs on loopback. PostgreSQL is the machine's own or the `dev` extra's, in a folder of its own with fsync on.
Exit status 1 if anything was lost, counted twice, or learned or replayed differently, or if a completion failed.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.reliability.durability.audit import Audit
from tests.reliability.durability.client import Memory
from tests.reliability.durability.kills import kill_rounds
from tests.reliability.durability.outage import fill_disk, stop_postgresql
from tests.reliability.durability.replay import replay_run
from tests.reliability.durability.replicas import fewest_requests, run_replicas
from tests.reliability.durability.writer import measure
from tests.support.postgresql import PostgresqlServer


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.durability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", default="sqlite", help="sqlite (default), postgresql, or the URL of an empty one")
    parser.add_argument("--rounds", type=int, default=50, help="default 50")
    parser.add_argument("--workers", type=int, default=1, help="gateway processes (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the client's choices (default 1)")
    parser.add_argument("--replicas", type=int, metavar="N", help="instead: this many processes on one database")
    parser.add_argument("--requests", type=int, default=20_000, help="of --replicas, in all (default 20,000)")
    parser.add_argument("--outage", type=float, metavar="SECONDS", help="instead: stop PostgreSQL for this long")
    parser.add_argument("--disk-full", type=float, metavar="SECONDS", help="instead: a full disk for this long")
    parser.add_argument("--replay", type=int, metavar="N", help="instead: replay this many decisions")
    parser.add_argument("--writer", action="store_true", help="instead: measure the writer")
    parser.add_argument("--records", type=int, default=20_000, help="of --writer (default 20,000)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the report as JSON")
    options = parser.parse_args(arguments)
    if options.replicas and options.requests < fewest_requests(options.replicas):
        parser.error(
            f"--requests must be {fewest_requests(options.replicas):,} or more with {options.replicas} processes"
        )
    return options


@contextmanager
def database_url(name: str) -> Iterator[str]:
    """The URL of an empty database of this kind, or the URL that was given."""
    if name == "postgresql":
        with PostgresqlServer() as server:
            yield server.url()
    elif name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="durability-") as folder:
            yield f"sqlite:///{folder}/ledger.db"
    else:
        yield name


def rounds(options: argparse.Namespace, url: str, console: Console) -> dict[str, Any]:
    """Run the rounds, and print each; the report."""

    def tell(number: int, memory: Memory, found: Audit) -> None:
        console.print(
            f"round {number:3d}: {len(memory.completions)} answers, {len(memory.scores)} scores; lost {found.lost}, "
            f"twice {found.counted_twice}, rebuild {'equal' if found.rebuild_equal else 'DIFFERENT'}"
        )

    memory, found = kill_rounds(url, options.rounds, options.workers, options.seed, tell)
    return {
        "database": options.database,
        "rounds": options.rounds,
        "workers": options.workers,
        "acknowledged": memory.acknowledged,
        "acknowledged_answers": len(memory.completions),
        "acknowledged_scores": len(memory.scores),
        "lost": found.lost,
        "counted_twice": found.counted_twice,
        "rebuild_equal": found.rebuild_equal,
        "statuses": dict(sorted(memory.statuses.items())),
    }


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The report of what was asked for."""
    with console.status("starting") as status:
        tell = status.update
        if options.outage is not None:
            return stop_postgresql(options.outage, options.seed, tell)
        if options.disk_full is not None:
            return fill_disk(options.disk_full, options.seed, tell)
        with database_url(options.database) as url:
            named = {"database": options.database}
            if options.writer:
                return {**named, "writer": measure(url, options.records, options.seed, tell)}
            if options.replicas:
                return {**named, **run_replicas(url, options.replicas, options.requests, options.seed, tell)}
            if options.replay:
                return {**named, **replay_run(url, options.replay, options.seed, tell)}
            tell(f"{options.rounds} rounds")
            return rounds(options, url, console)


def main() -> None:
    """Run what was asked for."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that child processes are ended too
    options = parse()
    report = run(options, Console(stderr=True))
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    if _is_wrong(report) or (options.outage is not None and report["failed_completions"]):
        sys.exit(1)


def _is_wrong(report: dict[str, Any]) -> bool:
    counted = any(report.get(name) for name in ("lost", "counted_twice", "different", "failed", "never_seen"))
    return counted or not all(report.get(name, True) for name in ("rebuild_equal", "equal_to_a_single_process"))


if __name__ == "__main__":
    main()
