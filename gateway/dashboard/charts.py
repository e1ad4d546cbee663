"""The dashboard's charts, made by the server. Each says in a sentence what it shows."""

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from bandit.quick import quick_dataclass
from gateway.dashboard import svg
from gateway.dashboard.formats import percent, seconds
from gateway.dashboard.svg import Logarithmic, Point, Scale

DEVIATIONS = 1.6449
"""Half of a 90 % interval, in deviations of a normal posterior."""
CURVE_POINTS = 49
FEW = 3
"""Labels that a table's cell has room for."""
BASE = 0.74
"""Where the interval's line lies in its cell, from the top."""
NARROW = 0.045
"""A share below this has no room for its own label, and one below `NARROW_ON_PHONES` none on a phone."""
NARROW_ON_PHONES = 0.1
NARROWEST = 96
"""Pixels of a table's cell with a chart, where it is narrowest."""
GAP = 7.0
"""Pixels between two labels."""


@quick_dataclass(frozen=True, slots=True)
class Interval:
    """Mean and 90 % interval of a posterior."""

    low: float
    mean: float
    high: float


def interval(scale: Scale, values: Interval, colour: int, title: str, *, is_beta: bool = False) -> Markup:
    """A posterior in a table's cell: its density as a ridge, its 90 % interval as a bar, its mean as a point.

    It is log-normal on a logarithmic scale, else normal, or Beta.
    """
    parts = [svg.line((scale.at(tick), 0), (scale.at(tick), 1), "gridline") for tick in scale.ticks(FEW)]
    curve = _beta_ridge(scale, values) if is_beta else _ridge(scale, values)
    if curve:
        parts.append(svg.stretched(svg.path(curve, f"f{colour} a30", closed=True)))
    low, high = (min(max(scale.at(each), 0.0), 1.0) for each in (values.low, values.high))
    parts.append(svg.line((low, BASE), (high, BASE), f"k{colour}", 3, round_ends=True))
    mean = min(max(scale.at(values.mean), 0.0), 1.0)
    parts += [svg.dot(mean, BASE, 4, f"f{colour}"), svg.dot(mean, BASE, 1.6, "fs")]
    return svg.chart("".join(parts), 34, title, "cell tall plot")


def _ridge(scale: Scale, values: Interval) -> list[Point]:
    """The density: normal, or log-normal on a logarithmic scale; nothing if all is known."""
    logarithmic = isinstance(scale, Logarithmic)
    if values.high - values.low <= 1e-12 or (logarithmic and values.low <= 0):
        return []
    low, high = (math.log(values.low), math.log(values.high)) if logarithmic else (values.low, values.high)
    deviation = (high - low) / (2 * DEVIATIONS)
    middle = (low + high) / 2 if logarithmic else values.mean
    curve: list[Point] = []
    for number in range(CURVE_POINTS):
        z = 6.4 * number / (CURVE_POINTS - 1) - 3.2
        value = math.exp(middle + z * deviation) if logarithmic else middle + z * deviation
        curve.append((min(max(scale.at(value), 0.0), 1.0), BASE - 0.62 * math.exp(-z * z / 2)))
    return [(curve[0][0], BASE), *curve, (curve[-1][0], BASE)]


def _beta_ridge(scale: Scale, values: Interval) -> list[Point]:
    """The density of the Beta distribution with this mean and deviation; nothing if there is none."""
    mean, deviation = values.mean, max(values.mean - values.low, values.high - values.mean) / DEVIATIONS
    # The interval may be cut at 0 or 1: the longer half is whole.
    strength = mean * (1 - mean) / (deviation * deviation) - 1 if deviation > 1e-9 else 0.0
    if strength <= 0:
        return []
    a, b = mean * strength, (1 - mean) * strength
    low, high = max(mean - 4 * deviation, 1e-3), min(mean + 4 * deviation, 1 - 1e-3)
    grid = [low + (high - low) * number / (CURVE_POINTS - 1) for number in range(CURVE_POINTS)]
    logs = [(a - 1) * math.log(each) + (b - 1) * math.log(1 - each) for each in grid]
    peak = max(logs)
    curve = [
        (min(max(scale.at(each), 0.0), 1.0), BASE - 0.62 * math.exp(log - peak))
        for each, log in zip(grid, logs, strict=True)
    ]
    return [(curve[0][0], BASE), *curve, (curve[-1][0], BASE)]


def ruler(scale: Scale, label: Callable[[float], str], most: int = FEW) -> Markup:
    """The labels below a column of charts; of those that would touch only the first."""
    texts, free = "", -1.0
    for tick in scale.ticks(most):
        words, at = label(tick), scale.at(tick)
        half = 0.5 * svg.CHARACTER * len(words) / NARROWEST
        if at - half >= free:
            texts, free = texts + svg.text(at, 0.75, words, anchor="middle"), at + half + GAP / NARROWEST
    return svg.chart(texts, 14, kind="cell plot ruler")


def share(value: float, colour: int) -> Markup:
    """A share as a bar of a model's colour. Its figure stands beside it."""
    return meter(value, str(colour))


def meter(value: float, kind: str) -> Markup:
    """A part of a whole as a bar. Its figure stands beside it."""
    body = svg.rect(0, 0, 1, 1, "f0", 3) + svg.rect(0, 0, value, 1, f"f{kind}", 3)
    return svg.chart(body, 7)


def strip(parts: Sequence[tuple[str, int, float]], u: float | None) -> Markup:
    """[0, 1] cut by the probabilities, with a needle at `u`. `parts`: model, colour, probability, in drawing order."""
    left, body = 0.0, ""
    for _, colour, probability in parts:
        body += svg.rect(left, 0.4, probability, 0.36, f"f{colour} a85")
        if probability >= NARROW:
            kind = "on" if probability >= NARROW_ON_PHONES else "on alt"
            body += svg.text(left + probability / 2, 0.58, percent(probability), kind, anchor="middle", dy=4)
        left += probability
        body += svg.line((left, 0.4), (left, 0.76), "ksf", 1.5)
    body += svg.text(0, 0.98, "0") + svg.text(1, 0.98, "1", anchor="end")
    if u is not None:
        anchor = "start" if u < 0.06 else "end" if u > 0.94 else "middle"
        body += svg.line((u, 0.24), (u, 0.84), "ki", 2) + svg.dot(u, 0.24, 4, "fi")
        body += svg.text(u, 0.08, f"u = {u:.4f}", "hi", anchor=anchor, dy=4)
    shares = ", ".join(f"{model} {percent(probability)}" for model, _, probability in parts)
    needle = "" if u is None else f"; u is {u:.4f}"
    return svg.chart(body, 84, f"The interval from 0 to 1, cut by the probabilities: {shares}{needle}")


@quick_dataclass(frozen=True, slots=True)
class Bar:
    """An attempt on the timeline, in seconds since the first one's start. `first_token` is where its content began."""

    label: str
    colour: int
    start: float
    seconds: float
    answered: bool
    first_token: float | None


def timeline(bars: Sequence[Bar]) -> Markup:
    """Attempts to scale, below one another, with the first token as a tick."""
    end = max((bar.start + bar.seconds for bar in bars), default=0.0) or 1e-3
    scale, row = svg.Linear(0.0, end * 1.08), 1.0 / (len(bars) + 0.75)
    body = ""
    for tick in scale.ticks():
        body += svg.line((scale.at(tick), 0), (scale.at(tick), 1 - 0.6 * row), "gridline")
        anchor = "start" if tick == 0 else "middle"
        body += svg.text(scale.at(tick), 1 - 0.12 * row, seconds(tick) if tick else "0 s", anchor=anchor)
    for number, bar in enumerate(bars):
        top, left, width = number * row + 0.2 * row, scale.at(bar.start), scale.at(bar.seconds)
        faint = "a85" if bar.answered else "a30"
        body += svg.rect(left, top, max(width, 0.003), 0.62 * row, f"f{bar.colour} {faint}", 4)
        if left + width < 0.72:
            body += svg.text(left + width, top + 0.31 * row, bar.label, "lab", dx=8, dy=4)
        elif left > 0.28:
            body += svg.text(left, top + 0.31 * row, bar.label, "lab", anchor="end", dx=-8, dy=4)
        else:
            body += svg.text(left, top + 0.31 * row, bar.label, "on-ink", dx=8, dy=4)
        if bar.first_token is not None:
            x = scale.at(bar.start + bar.first_token)
            body += svg.line((x, top - 0.08 * row), (x, top + 0.7 * row), "ki", 2)
    told = "; ".join(f"{bar.label}, from {seconds(bar.start) if bar.start else '0 s'} on" for bar in bars)
    return svg.chart(body, 34 * len(bars) + 26, f"Attempts over time: {told}")
