"""The demo's results, as tables for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table

from gateway.demo.gateway import QUALITY_USD, SECOND_USD
from gateway.demo.prompts import TASKS
from gateway.demo.users import Served
from gateway.settings.presets import SIMULATED_MODELS

RECENT = 100
COLOURS = ("blue", "cyan", "magenta")
"""The models', as near as a terminal comes to those that they have on the dashboard."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over requests, in dollars per thousand. `worth_usd` is quality in dollars less cost and waiting."""

    requests: int
    spent_usd: float
    seconds: float
    quality: float
    worth_usd: float


def summary_of(served: Sequence[Served]) -> Summary:
    """The means of served requests. There must be at least one."""
    cost_usd = fmean(each.cost_usd for each in served)
    seconds = fmean(each.seconds for each in served)
    quality = fmean(each.quality for each in served)
    worth_usd = QUALITY_USD * quality - cost_usd - SECOND_USD * seconds
    return Summary(len(served), 1_000 * cost_usd, seconds, quality, 1_000 * worth_usd)


def traffic_table(served: Sequence[Served], total: int) -> Table:
    """Each model's share of each task's recent requests."""
    recent = served[-RECENT:]
    title = f"{len(served)} of {total} requests; who got the last {len(recent)}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("task")
    for model, colour in zip(SIMULATED_MODELS, COLOURS, strict=True):
        table.add_column(model, justify="right", header_style=f"bold {colour}", style=colour)
    table.add_column("mean score", justify="right")
    for task in (*TASKS, "all"):
        mine = [each for each in recent if task in {each.task, "all"}]
        shares = [sum(each.model == model for each in mine) / len(mine) if mine else 0.0 for model in SIMULATED_MODELS]
        most = max(shares)
        cells = [
            f"[bold reverse] {share:.0%} [/bold reverse]" if share == most > 0 else f"{share:.0%} " for share in shares
        ]
        score = f"{fmean(each.score for each in mine):.2f}" if mine else "-"
        if task == "all":
            table.add_section()
        table.add_row(task, *cells, score)
    return table


def comparison_table(rows: Sequence[tuple[str, Summary]]) -> Table:
    """Cost, waiting time and quality, a row per strategy; the highest worth is bold and green."""
    table = Table(
        title="What it came to: $ per 1,000 requests, seconds and true quality of one",
        title_justify="left",
        title_style="bold",
        caption=f"worth $ = ${1_000 * QUALITY_USD:g} × quality − spent $ − ${1_000 * SECOND_USD:g} × seconds waited",
        caption_justify="left",
    )
    for column in ("", "requests", "spent $", "waited s", "quality", "worth $"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    best = max(summary.worth_usd for _, summary in rows)
    for name, summary in rows:
        worth = f"{summary.worth_usd:.2f}"
        table.add_row(
            name,
            str(summary.requests),
            f"{summary.spent_usd:.3f}",
            f"{summary.seconds:.2f}",
            f"{summary.quality:.3f}",
            f"[bold green]{worth}[/bold green]" if summary.worth_usd == best else worth,
        )
    return table
