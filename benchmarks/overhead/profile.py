"""Profiles the gateway under load with a sampler in its process, and shows where its CPU time goes."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.overhead.rounds import Phase
from benchmarks.overhead.servers import put_load_on
from benchmarks.overhead.targets import Target, gateway
from tests.support.processes import RunFailed

_ROWS = 28
_WRITE_SECONDS = 10.0


def profile(provider_port: int, directory: Path, phase: Phase, seconds: float) -> dict[str, Any]:
    """Samples of one load: CPU seconds by thread, function and line, and the number of answers (or chunks)."""
    out = directory / f"samples-{phase.name}.json"
    launcher = ("-m", "benchmarks.overhead.sampling", str(out))
    name, routers = f"profiled-{phase.name}", phase.traffic.routers
    with gateway(provider_port, directory, name=name, launcher=launcher, routers=routers) as target:
        put_load_on(_load(target, phase, 1.0))
        process = psutil.Process(target.pids[0])
        process.send_signal(signal.SIGUSR1)
        measured = put_load_on(_load(target, phase, seconds))
        process.send_signal(signal.SIGUSR2)
        samples = _read(out)
    units = measured.chunks if phase.stream else measured.answers
    return {**samples, "phase": phase.title, "units": units, "unit": "chunk" if phase.stream else "answer"}


def _load(target: Target, phase: Phase, seconds: float) -> Any:
    # No warm-up: what is sampled and what is counted must be the same answers.
    return target.load(
        phase.connections,
        stream=phase.stream,
        pace_ms=phase.pace_ms,
        seconds=seconds,
        warm_up_seconds=0.0,
        traffic=phase.traffic,
        rate=phase.rate,
        reconnecting=phase.reconnecting,
    )


def _read(out: Path) -> dict[str, Any]:
    until = time.monotonic() + _WRITE_SECONDS
    while time.monotonic() < until:
        try:
            samples: dict[str, Any] = json.loads(out.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.05)
        else:
            return samples
    raise RunFailed("the sampler in the gateway wrote nothing")


def show_profile(console: Console, found: dict[str, Any]) -> None:
    """Print where the time went: by thread, by place and by function."""
    units, unit = max(found["units"], 1), found["unit"]
    threads = ", ".join(
        f"{name} {1e6 * seconds / units:.0f} µs" for name, seconds in _largest(found["threads"]) if seconds > 0
    )
    console.print(f"\n[bold]{found['phase']}[/bold]: CPU of each thread for one {unit}: {threads}")
    console.print(_table("In the main thread, by package (own time)", _by_package(found["own"]), units, unit))
    console.print(_table("In the main thread, by function (own time)", _largest(found["own"])[:_ROWS], units, unit))
    console.print(_table("…by line", _largest(found["lines"])[:_ROWS], units, unit))
    ours = {
        name: seconds for name, seconds in found["within"].items() if _package(name) in {"gateway", "bandit", "storage"}
    }
    console.print(_table("Our functions, with all that they call", _largest(ours)[:_ROWS], units, unit))


def _by_package(own: dict[str, float]) -> list[tuple[str, float]]:
    sums: dict[str, float] = {}
    for name, seconds in own.items():
        sums[_package(name)] = sums.get(_package(name), 0.0) + seconds
    return _largest(sums)


def _package(name: str) -> str:
    """The first of our packages in a path, else the file's folder."""
    folders = name.split(" ", maxsplit=1)[0].split("/")[:-1]
    for floor in ("gateway", "bandit", "storage"):
        if floor in folders:
            return floor
    return folders[-1] if folders else name


def _largest(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda item: -item[1])


def _table(title: str, rows: list[tuple[str, float]], units: float, unit: str) -> Table:
    total = sum(seconds for _, seconds in rows) or 1.0
    table = Table(title=title, title_justify="left")
    table.add_column("where", overflow="fold")
    table.add_column(f"µs/{unit}", justify="right")
    table.add_column("share of the rows", justify="right")
    for name, seconds in rows:
        table.add_row(name, f"{1e6 * seconds / units:.1f}", f"{seconds / total:.0%}")
    return table
