"""Charts of the first page: the forest of comparisons, sparklines, and spend over time with a band."""

from collections.abc import Sequence

from markupsafe import Markup

from bandit.quick import quick_dataclass
from gateway.dashboard import svg
from gateway.dashboard.charts import ruler
from gateway.dashboard.formats import axis_usd, usd
from gateway.dashboard.svg import Linear, Point, Scale

FEW = 4
SPARK_HEIGHT = 34
SPEND_HEIGHT = 190
BESIDE = 0.24
"""A mean's figure stands beside its interval if this part of the cell is free there."""


@quick_dataclass(frozen=True, slots=True)
class Bar:
    """An estimate with its 95 % interval."""

    low: float
    mean: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0: only then is anything said to be better or worse."""
        return self.low > 0.0 or self.high < 0.0


def forest_scale(bars: Sequence[Bar]) -> Scale:
    """A scale with 0 that holds all intervals, but for the far ends of very wide ones."""
    means = [abs(bar.mean) for bar in bars]
    reach = 3.0 * max(means, default=1.0) or 1.0
    low = max(min((bar.low for bar in bars), default=0.0), -reach)
    high = min(max((bar.high for bar in bars), default=0.0), reach)
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.12 * (high - low) or 1.0
    return Linear(low - margin, high + margin)


def forest(scale: Scale, bar: Bar | None, colour: int, title: str) -> Markup:
    """One row of the forest: the zero line, the interval and its mean, grey if it includes 0; words without one."""
    zero = scale.at(0.0)
    body = "".join(svg.line((scale.at(tick), 0), (scale.at(tick), 1), "gridline") for tick in scale.ticks(FEW))
    body += svg.line((zero, 0), (zero, 1), "zero")
    if bar is None:
        at_right = zero > 0.5
        words = svg.text(
            zero, 0.5, "not known yet", anchor="end" if at_right else "start", dx=-8 if at_right else 8, dy=4
        )
        return svg.chart(body + words, 30, title, "cell plot")
    low, mean, high = (min(max(scale.at(each), 0.0), 1.0) for each in (bar.low, bar.mean, bar.high))
    own = str(colour) if bar.excludes_zero else "q"
    body += svg.line((low, 0.5), (high, 0.5), f"k{own}", 3, round_ends=True) + svg.dot(mean, 0.5, 4, f"f{own}")
    kind = "hi" if bar.excludes_zero else ""
    if high < 1.0 - BESIDE:
        body += svg.text(high, 0.5, _signed(bar.mean), kind, dx=8, dy=4)
    elif low > BESIDE:
        body += svg.text(low, 0.5, _signed(bar.mean), kind, anchor="end", dx=-8, dy=4)
    return svg.chart(body, 30, title, "cell plot")


def forest_ruler(scale: Scale) -> Markup:
    """The dollars below the forest."""
    return ruler(scale, _signed, FEW)


def _signed(dollars: float) -> str:
    return f"+{axis_usd(dollars)}" if dollars > 0.0 else axis_usd(dollars) if dollars else "0"


def spark(values: Sequence[float | None]) -> Markup:
    """A line without an axis. Days without a value are left out."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(value for _, value in known), max(value for _, value in known)
    last = len(values) - 1
    points = [(place / last, 0.92 - 0.8 * (value - low) / ((high - low) or 1.0)) for place, value in known]
    body = svg.stretched(
        svg.path([(points[0][0], 1.0), *points, (points[-1][0], 1.0)], "fq a15", closed=True)
        + svg.path(points, "nofill kq ns", width=1.6)
    )
    return svg.chart(body + svg.dot(*points[-1], 2.6, "fq"), SPARK_HEIGHT)


@quick_dataclass(frozen=True, slots=True)
class Spent:
    """One day's dollars: spent, and what they would have been with the baseline."""

    label: str
    usd: float
    baseline: Bar | None


def spend(days: Sequence[Spent], title: str) -> Markup:
    """Dollars per day as an area, the baseline as a dashed line with its band. Empty for less than two days."""
    if len(days) < 2:
        return Markup("")
    top = max(max(day.usd, day.baseline.high if day.baseline else 0.0) for day in days) or 1.0
    scale, last = Linear(0.0, top * 1.06), len(days) - 1

    def at(place: int, value: float) -> Point:
        return place / last, 1.0 - min(max(scale.at(value), 0.0), 1.0)

    own = [at(place, day.usd) for place, day in enumerate(days)]
    paths = ""
    for run in _runs(days):
        bars = [(place, bar) for place in run if (bar := days[place].baseline) is not None]
        if len(bars) > 1:
            upper = [at(place, bar.high) for place, bar in bars]
            lower = [at(place, bar.low) for place, bar in reversed(bars)]
            paths += svg.path([*upper, *lower], "fq a15", closed=True)
            paths += svg.path([at(place, bar.mean) for place, bar in bars], "nofill kq ns dashes", width=1.6)
    paths += svg.path([(0.0, 1.0), *own, (1.0, 1.0)], "fa a15", closed=True)
    paths += svg.path(own, "nofill ka ns", width=2)
    ticks = scale.ticks(FEW)
    grid = "".join(svg.line((0, 1 - scale.at(tick)), (1, 1 - scale.at(tick)), "gridline") for tick in ticks)
    labels = "".join(svg.text(1, 1 - scale.at(tick), axis_usd(tick), anchor="end", dx=-8, dy=4) for tick in ticks)
    every = -(-len(days) // 6)
    below = "".join(
        svg.text(place / last, 0.8, day.label, anchor="start" if place == 0 else "middle", kind="alt" * (place % 2))
        for place, day in enumerate(days[:-1])
        if place % every == 0 and place / last < 0.9
    ) + svg.text(1, 0.8, "today", anchor="end")
    axis = svg.chart(labels, SPEND_HEIGHT)
    plot = svg.chart(grid + svg.stretched(paths), SPEND_HEIGHT, title)
    return axis + plot + Markup("<span></span>") + svg.chart(below, 22)


def spend_title(days: Sequence[Spent], baseline: str) -> str:
    """The spend chart in a sentence."""
    own = [day.usd for day in days]
    told = f"Dollars per UTC day, spent: {usd(min(own))} to {usd(max(own))}" if own else "No dollars spent"
    means = [day.baseline.mean for day in days if day.baseline is not None]
    return f"{told}; always {baseline}, estimated: {usd(min(means))} to {usd(max(means))}" if means else told


def _runs(days: Sequence[Spent]) -> list[list[int]]:
    """The stretches of days that have a baseline."""
    runs: list[list[int]] = [[]]
    for place, day in enumerate(days):
        if day.baseline is not None:
            runs[-1].append(place)
        elif runs[-1]:
            runs.append([])
    return runs
