"""The report of the overhead benchmark: tables, JSON and a plot."""

import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.overhead.generator import Measurement
from benchmarks.overhead.ratios import RATIOS, compare
from benchmarks.overhead.rounds import (
    C1,
    C32,
    C256,
    PHASES,
    STREAM,
    STREAM_FULL,
    Phase,
    Results,
    Spread,
    chunks_per_second,
    cpu_us_per_answer,
    cpu_us_per_chunk,
    rps,
)

CLOSED = (C1, C32, C256)
"""Loads of the plot."""


def figures(phase: Phase, measured: list[Measurement]) -> dict[str, Spread]:
    """Name → medians over the rounds, for one target under one load."""
    found = {
        "rps": Spread.of([rps(each) for each in measured]),
        "p50_ms": Spread.of([each.p50_ms for each in measured]),
        "p99_ms": Spread.of([each.p99_ms for each in measured]),
        "p999_ms": Spread.of([each.p999_ms for each in measured]),
        "longest_ms": Spread.of([each.longest_ms for each in measured]),
        "cpu_us_per_request": Spread.of([cpu_us_per_answer(each) for each in measured]),
    }
    if phase.stream:
        found |= {
            "chunks_per_s": Spread.of([chunks_per_second(each) for each in measured]),
            "ttft_p50_ms": Spread.of([each.ttft_p50_ms or 0.0 for each in measured]),
            "ttft_p99_ms": Spread.of([each.ttft_p99_ms or 0.0 for each in measured]),
            "cpu_us_per_chunk": Spread.of([cpu_us_per_chunk(each) for each in measured]),
        }
    return found


def as_json(results: Results, resident: dict[str, float], settings: dict[str, object]) -> dict[str, Any]:
    """The whole report. `stream32` has latency and CPU from paced streams, `chunks_per_s` from those at full speed."""
    targets: dict[str, Any] = {}
    for name, phases in results.items():
        entry: dict[str, Any] = {}
        for phase in PHASES:
            if phase.name in phases:
                spreads = figures(phase, phases[phase.name])
                entry[phase.name] = {key: spread.median for key, spread in spreads.items()}
                entry[phase.name]["rounds"] = {key: [spread.low, spread.high] for key, spread in spreads.items()}
        if STREAM.name in entry and STREAM_FULL.name in entry:
            entry[STREAM.name]["paced_chunks_per_s"] = entry[STREAM.name]["chunks_per_s"]
            entry[STREAM.name]["chunks_per_s"] = entry[STREAM_FULL.name]["chunks_per_s"]
        entry["rss_mb"] = resident.get(name)
        targets[name] = entry
    ratios = compare(results)
    return {
        "targets": targets,
        "ratios": {name: spread.median for name, spread in ratios.items()},
        "ratio_rounds": {name: [spread.low, spread.high] for name, spread in ratios.items()},
        "settings": settings,
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()},
    }


def show(console: Console, report: dict[str, Any]) -> None:
    """Print the tables."""
    for phase in PHASES:
        if any(phase.name in entry for entry in report["targets"].values()):
            console.print(_phase_table(phase, report))
    if report["ratios"]:
        console.print(_ratio_table(report))


def _phase_table(phase: Phase, report: dict[str, Any]) -> Table:
    columns = ["rps", "p50_ms", "p99_ms", "p999_ms", "longest_ms", "cpu_us_per_request"]
    titles = ["answers/s", "p50 ms", "p99 ms", "p99.9 ms", "longest ms", "CPU µs/answer"]
    if phase.stream:
        columns = ["chunks_per_s", "ttft_p50_ms", "ttft_p99_ms", "cpu_us_per_chunk"]
        titles = ["chunks/s", "first token p50 ms", "p99 ms", "CPU µs/chunk"]
    table = Table(title=f"{phase.title} (median of the rounds, lowest–highest)", title_justify="left")
    table.add_column("target")
    for title in [*titles, "resident MB"]:
        table.add_column(title, justify="right")
    for name, entry in report["targets"].items():
        if phase.name not in entry:
            continue
        shown = entry[phase.name]
        cells = []
        for column in columns:
            low, high = shown["rounds"][column]
            value = shown.get("paced_chunks_per_s", shown[column]) if column == "chunks_per_s" else shown[column]
            cells.append(_cell(value, low, high))
        resident = entry["rss_mb"]
        table.add_row(name, *cells, f"{resident:.0f}" if resident else "–")
    return table


def _ratio_table(report: dict[str, Any]) -> Table:
    table = Table(title="Against the forwarder (median of the rounds, lowest–highest)", title_justify="left")
    for title in ("figure", "what", "value", "goal", ""):
        table.add_column(title, justify="right" if title in {"value", "goal"} else "left")
    for ratio in RATIOS:
        if ratio.name not in report["ratios"]:
            continue
        value = report["ratios"][ratio.name]
        low, high = report["ratio_rounds"][ratio.name]
        table.add_row(
            ratio.name,
            ratio.title,
            f"{value:.2f} [dim]{low:.2f}–{high:.2f}[/dim]",
            f"{'≥' if ratio.at_least else '≤'} {ratio.goal:.2f}",
            "[green]reached[/green]" if ratio.reached(value) else "[yellow]not yet[/yellow]",
        )
    return table


def plot(path: Path, report: dict[str, Any]) -> None:
    """Draw answers per second and p50 for each target, as a PNG. Needs the extra `bench`."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional, and slow to import

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    targets = report["targets"]
    measured = [phase for phase in CLOSED if all(phase.name in entry for entry in targets.values())]
    alone = targets.get("provider", {})
    names = [name for name in targets if name != "provider"]
    width = 0.8 / max(len(names), 1)
    for position, name in enumerate(names):
        entry = targets[name]
        places = [index + position * width for index in range(len(measured))]
        left.bar(places, [entry[phase.name]["rps"] for phase in measured], width, label=name)
        added = [entry[each.name]["p50_ms"] - alone.get(each.name, {}).get("p50_ms", 0.0) for each in measured]
        right.plot([entry[phase.name]["rps"] for phase in measured], added, marker="o", label=name)
    left.set_title("answers per second")
    left.set_xticks([index + 0.4 - width / 2 for index in range(len(measured))], [each.title for each in measured])
    right.set_title("added p50 (ms) against load (answers per second)")
    right.set_xscale("log")
    for axes in (left, right):
        axes.set_yscale("log")
    right.set_xlabel("answers per second, one point per load")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
    figure.savefig(path, dpi=100)


def _cell(value: float, low: float, high: float) -> str:
    return _short(value) if low == high else f"{_short(value)} [dim]{_short(low)}–{_short(high)}[/dim]"


def _short(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
