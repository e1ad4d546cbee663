"""The gateway against the bare forwarder, in one run: throughput, added latency, streams, memory, start.

Everything runs on loopback: a provider that answers at once, a load generator, and the targets, each a process of its
own; the targets on one core, provider and generator on another, if the system can pin processes.
Targets take turns in rounds, so that a ratio compares neighbours in time; absolute figures move from day to day. Every
answer's status and length is checked, one in 50 word for word: a single wrong one ends the run with exit status 1.

  targets    gateway (SQLite, durability commit), gateway-async, forwarder (raw ASGI on uvicorn + aiohttp), provider
             (no gateway: what the generator itself costs), each --peer, and gateway-before with --before; not by
             default gateway-postgresql, with a server of its own, whose CPU is not the gateway's
  loads      c1, c32, c256: plain answers of 600 bytes over 1, 32 and 256 connections; stream32: 32 streams of 100
             chunks, a chunk each 5 ms; stream32_full: the same as fast as the client reads. Not by default: new32:
             as c32, each request on a connection of its own; stream2000: 2,000 streams with as many chunks;
             same_1000rps: as c1, sent at that rate whatever the answers do;
             mixed32: 1,000 prompts of 20 to 4,000 characters on 100 routers, some with tools or a task; mixed32_one:
             the same on one router; mixed_1rps, 5, 50: on 100 with streams, at that rate; agent_18k, 114k, 1m: an
             agent's requests. Routers learn most from their first answers: --warm-up 25 measures a day, not its
             first seconds

--tensorzero and --litellm start these from an environment of their own. Any other --peer is started by you, on the
same core as the targets (taskset -c 0 …), with http://127.0.0.1:PROVIDER_PORT/v1 as its OpenAI provider. The shape of
--json is in the documentation of operation; "rounds" hold [lowest, highest].
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.overhead.cpu import resident_mb
from benchmarks.overhead.lifetime import MEMORY_REQUESTS, MEMORY_STEP, help_seconds, memory, start_seconds
from benchmarks.overhead.peers import GATEWAYS
from benchmarks.overhead.profile import profile, show_profile
from benchmarks.overhead.report import as_json, plot, show
from benchmarks.overhead.rounds import PHASES, USUAL, measure_rounds
from benchmarks.overhead.servers import fake_provider
from benchmarks.overhead.targets import Peer, Target, forwarder, gateway, peer_target, provider_target
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import RunFailed, can_pin

USUAL_TARGETS = ("provider", "forwarder", "gateway", "gateway-async")
ON_POSTGRESQL = "gateway-postgresql"
TARGETS = (*USUAL_TARGETS, ON_POSTGRESQL)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--targets", nargs="+", choices=TARGETS, default=USUAL_TARGETS, help="default: all but the last"
    )
    names = [phase.name for phase in PHASES]
    usual = [phase.name for phase in USUAL]
    parser.add_argument("--loads", nargs="+", choices=names, default=usual, help=f"default: {' '.join(usual)}")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured seconds of each load (default 2)")
    parser.add_argument("--warm-up", type=float, default=0.7, help="seconds before that, not measured (default 0.7)")
    parser.add_argument("--quick", action="store_true", help="one round of half a second: does it run at all?")
    for name in GATEWAYS:
        parser.add_argument(f"--{name}", type=Path, metavar="VENV", help=f"an environment with {name}, to be a peer")
    parser.add_argument("--peer", action="append", default=[], metavar="[NAME=]URL", help="base URL; may be repeated")
    parser.add_argument("--peer-key", help="API key for the peers")
    parser.add_argument("--peer-model", default="bench", help="model to ask the peers for (default bench)")
    parser.add_argument("--provider-port", type=int, default=0, help="fixed port of the provider, for peers to call")
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="another commit of this repository, to be measured beside"
    )
    parser.add_argument("--memory", action="store_true", help=f"also resident memory over {MEMORY_REQUESTS:,} requests")
    parser.add_argument(
        "--start", action="store_true", help="also seconds from the command to the first answer, and of --help"
    )
    parser.add_argument(
        "--profile",
        nargs="*",
        choices=names,
        metavar="LOAD",
        help="instead: where the gateway's CPU time goes under these loads (default c32 stream32)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the report as JSON")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw throughput and latency")
    return parser.parse_args(arguments)


def peers(options: argparse.Namespace) -> list[Peer]:
    """The peers of the command line; without a name a peer is named by its host and port."""
    found = []
    for text in options.peer:
        name, separator, url = text.partition("=")
        if not separator or "//" in name:
            name, url = text.split("//")[-1].split("/")[0], text
        found.append(Peer(name, url, options.peer_key, options.peer_model))
    return found


def measure(options: argparse.Namespace, directory: Path, console: Console) -> dict[str, Any]:
    """Start everything and measure; the report. Raises RunFailed."""
    rounds, seconds, warm_up = options.rounds, options.seconds, options.warm_up
    if options.quick:
        rounds, seconds, warm_up = 1, 0.5, 0.2
    phases = [phase for phase in PHASES if phase.name in options.loads]
    with ExitStack() as stack:
        port = stack.enter_context(fake_provider(directory / "provider.log", options.provider_port))
        routers = max(phase.traffic.routers for phase in phases)
        targets = [_target(name, port, directory, routers, stack) for name in TARGETS if name in options.targets]
        if options.before is not None:
            before = gateway(port, directory, name="gateway-before", checkout=options.before, routers=routers)
            targets.append(stack.enter_context(before))
        for name, start in GATEWAYS.items():
            if (environment := getattr(options, name)) is not None:
                targets.append(stack.enter_context(start(environment.resolve(), port, directory)))
        targets += [peer_target(peer) for peer in peers(options)]
        with _progress(console) as progress:
            task = progress.add_task("", total=rounds * len(phases) * len(targets))
            results = measure_rounds(
                targets,
                phases,
                rounds,
                seconds,
                warm_up,
                lambda what: progress.update(task, advance=1, description=what),
            )
        resident = {target.name: resident_mb(target.pids) for target in targets if target.pids}
        settings = {"rounds": rounds, "seconds": seconds, "warm_up_seconds": warm_up, "pinned": can_pin()}
        report = as_json(results, resident, settings)
        show(console, report)
    with fake_provider(directory / "provider-later.log") as port:
        if options.memory:
            report["memory"] = _memory(port, directory, console)
        if options.start:
            report["start"] = _start(port, directory, console)
    return report


def _target(name: str, port: int, directory: Path, routers: int, stack: ExitStack) -> Target:
    if name == "provider":
        return provider_target(port)
    if name == "forwarder":
        return stack.enter_context(forwarder(port, directory))
    durability = "async" if name == "gateway-async" else "commit"
    url = stack.enter_context(PostgresqlServer()).url() if name == ON_POSTGRESQL else None
    return stack.enter_context(
        gateway(port, directory, name=name, durability=durability, routers=routers, database_url=url)
    )


def _memory(port: int, directory: Path, console: Console) -> dict[str, float]:
    with gateway(port, directory, name="gateway-memory") as target, _progress(console) as progress:
        task = progress.add_task("memory", total=MEMORY_REQUESTS)
        resident = memory(target, MEMORY_REQUESTS, MEMORY_STEP, lambda count: progress.update(task, completed=count))
    console.print("Resident MB after so many requests (goals: ≤ 150; grown by ≤ 5 between the first and the last two):")
    console.print("  " + ", ".join(f"{count:,}: {mb:.1f}" for count, mb in resident.items()))
    return {str(count): mb for count, mb in resident.items()}


def _start(port: int, directory: Path, console: Console) -> dict[str, float]:
    found = {**start_seconds(directory, port), "help": help_seconds()}
    console.print(
        f"Start to the first answer: {found['fresh']:.2f} s with a new database, {found['again']:.2f} s with a known "
        f"one (goal: ≤ 1.5); --help: {found['help']:.2f} s (goal: ≤ 0.3)"
    )
    return found


def _profile(options: argparse.Namespace, directory: Path, console: Console) -> dict[str, Any]:
    names = options.profile or ["c32", "stream32"]
    found = {}
    with fake_provider(directory / "provider.log") as port:
        for phase in PHASES:
            if phase.name in names:
                found[phase.name] = profile(port, directory, phase, options.seconds)
                show_profile(console, found[phase.name])
    return {"profile": found}


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    )


def main() -> None:
    """Run, report, and exit with 1 if anything was wrong."""
    options = parse()
    console = Console(width=None if sys.stdout.isatty() else 130)
    try:
        with tempfile.TemporaryDirectory(prefix="overhead-") as directory:
            run = measure if options.profile is None else _profile
            report = run(options, Path(directory), console)
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.plot and "targets" in report:
        plot(options.plot, report)


if __name__ == "__main__":
    main()
