"""Pictures of replays: utility over time with bands, and quality against cost with each policy a point."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.replay.report import Row
from benchmarks.replay.runs import Sets


def plot(sets: Sets, rows: Sequence[Row], path: Path) -> list[Path]:
    """One PNG per setting, numbered where there are several. Raises RuntimeError without matplotlib."""
    try:
        import matplotlib  # noqa: PLC0415 - only plots need it
    except ImportError as error:
        raise RuntimeError("--plot needs matplotlib: pip install -e '.[bench]'") from error
    matplotlib.use("Agg")
    settings = list(dict.fromkeys(row.setting for row in rows))
    written = []
    for number, setting in enumerate(settings, start=1):
        target = path if len(settings) == 1 else path.with_stem(f"{path.stem}-{number}")
        _draw(sets, [row for row in rows if row.setting == setting], target)
        written.append(target)
    return written


def _draw(sets: Sets, rows: Sequence[Row], path: Path) -> None:
    from matplotlib import colormaps  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    colours = [colormaps["tab20"](i) for i in range(20)]
    figure = Figure(figsize=(13, 5), layout="constrained")
    over_time, trade = figure.subplots(1, 2)
    job = rows[0].played[0].job
    figure.suptitle(
        f"{sets.data[job.data].name}, {job.scenario}, ${job.value:g} a perfect answer, "
        f"{job.feedback:.0%} scored {job.delay} late, {len(rows[0].played)} seeds"
    )
    length = len(sets.data[job.data].prompts)
    for row, colour in zip(rows, (colours[i % len(colours)] for i in range(len(rows))), strict=True):
        points = row.curve()
        width = 2.5 if row.policy == "thompson" else 1.0
        at = [(i + 0.5) * length / len(points) for i in range(len(points))]
        over_time.plot(at, [point.mean for point in points], color=colour, label=row.policy, linewidth=width)
        over_time.fill_between(
            at, [point.low for point in points], [point.high for point in points], color=colour, alpha=0.15, linewidth=0
        )
        quality, cost = row.interval("quality"), row.interval("usd_per_1000")
        assert quality is not None
        assert cost is not None
        trade.errorbar(
            cost.mean,
            quality.mean,
            xerr=cost.high - cost.mean,
            yerr=quality.high - quality.mean,
            color=colour,
            marker="o",
            markersize=4 * width,
        )
        trade.annotate(row.policy, (cost.mean, quality.mean), xytext=(4, 4), textcoords="offset points", fontsize=8)
    over_time.set(xlabel="request", ylabel="utility = quality - cost / value")
    over_time.legend(fontsize=8)
    trade.set(xlabel="dollars per 1,000 requests", ylabel="mean quality", xscale="log")
    figure.savefig(path, dpi=130)
