"""Shares over time: areas stacked to 100 %, with numbered marks above and the models' names at their ends."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from markupsafe import Markup

from bandit.quick import quick_dataclass
from gateway.dashboard import svg
from gateway.dashboard.formats import percent, short
from gateway.dashboard.svg import Linear, Point

HEIGHT = 250
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
STEPS = tuple(60 * each for each in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 7_200, 10_080, 43_200))
"""Seconds between two labels of the time."""
MOST_LABELS = 7
DODGE = 14 / HEIGHT
"""Labels at the end are at least this far apart: 14 pixels."""
MARK = 0.026
"""Marks above the chart are at least this far apart."""


@quick_dataclass(frozen=True, slots=True)
class Series:
    """A model's shares by the start of the bucket. `provider` is the part of its name that a phone has no room for."""

    provider: str
    name: str
    colour: int
    shares: Mapping[int, float]


@quick_dataclass(frozen=True, slots=True)
class Stacked:
    """The chart and what is around it: the labels of the shares, of the time, and of the models.

    `figures` are its numbers as JSON, for the cursor.
    """

    figures: str
    body: Markup
    y: Markup
    x: Markup
    ends: Markup


def stacked(
    series: Sequence[Series], since: float, until: float, seconds: int, marks: Sequence[float], title: str
) -> Stacked:
    """The areas, the first series at the bottom. `marks` are instants. Buckets without a request are gaps."""
    scale = Linear(since, max(until, since + seconds))
    starts = sorted({at for each in series for at in each.shares})
    body = svg.stretched("".join(_areas(series, run, scale, seconds) for run in _runs(starts, seconds)))
    body += "".join(svg.line((0, each), (1, each), "gridline") for each in QUARTERS[1:-1])
    above = -1.0
    for number, at in enumerate(marks, 1):
        x = min(max(scale.at(at), 0.0), 1.0)
        above = max(x, above + MARK)
        body += svg.line((x, -0.02), (x, 1), "ki", dashes="3 3")
        body += svg.dot(above, -0.05, 8.5, "fi") + svg.text(above, -0.05, str(number), "num-t", anchor="middle", dy=4)
    y = "".join(svg.text(1, 1 - each, f"{each:.0%}", anchor="end", dx=-8, dy=4) for each in QUARTERS)
    return Stacked(
        figures=_figures(series, starts, scale, seconds),
        body=svg.chart(body, HEIGHT, title),
        y=svg.chart(y, HEIGHT),
        x=svg.chart(_times(scale), 22),
        ends=svg.chart(_ends(series, starts), HEIGHT, kind="plot ends-of"),
    )


def _figures(series: Sequence[Series], starts: Sequence[int], scale: Linear, seconds: int) -> str:
    figures = {
        "since": scale.low,
        "until": scale.high,
        "seconds": seconds,
        "models": [{"name": each.name, "colour": each.colour} for each in series],
        "buckets": [[at, *(round(each.shares.get(at, 0.0), 3) for each in series)] for at in starts],
    }
    return msgspec.json.encode(figures).decode()


def _runs(starts: Sequence[int], seconds: int) -> list[list[int]]:
    """Buckets that follow one another without a gap."""
    runs: list[list[int]] = []
    for at in starts:
        if runs and at - runs[-1][-1] == seconds:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def _areas(series: Sequence[Series], run: Sequence[int], scale: Linear, seconds: int) -> str:
    """One run of buckets: shares are those of the middles, and are kept to the outer edges."""
    lower, drawn = [0.0] * len(run), ""
    for each in series:
        upper = [below + each.shares.get(at, 0.0) for below, at in zip(lower, run, strict=True)]
        outline = [*_edge(upper, run, scale, seconds), *reversed(_edge(lower, run, scale, seconds))]
        drawn += svg.path(outline, f"f{each.colour} a75", closed=True)
        drawn += svg.path(_edge(upper, run, scale, seconds), "nofill ns ksf", width=1.2)
        lower = upper
    return drawn


def _edge(shares: Sequence[float], run: Sequence[int], scale: Linear, seconds: int) -> list[Point]:
    at = [run[0], *(start + seconds / 2 for start in run), run[-1] + seconds]
    values = [shares[0], *shares, shares[-1]]
    return [
        (min(max(scale.at(instant), 0.0), 1.0), 1 - min(share, 1.0)) for instant, share in zip(at, values, strict=True)
    ]


def _times(scale: Linear) -> str:
    length = scale.high - scale.low
    step = next((each for each in STEPS if length / each <= MOST_LABELS), STEPS[-1])
    texts, at, number = svg.text(1, 0.8, "now", anchor="end"), -(-scale.low // step) * step, 0
    while at < scale.high:
        x = scale.at(at)
        if 0.02 < x < 0.94:
            then = datetime.fromtimestamp(at, UTC)
            shown = f"{then:%b} {then.day}" if step >= 86_400 or (then.hour == then.minute == 0) else f"{then:%H:%M}"
            texts += svg.text(x, 0.8, shown, "alt" if number % 2 else "", anchor="middle")
            number += 1
        at += step
    return texts


def _ends(series: Sequence[Series], starts: Sequence[int]) -> str:
    """Each model's name and last share at the middle of its area's end, moved apart if they would overlap."""
    if not starts:
        return ""
    lower, places = 0.0, []
    for each in series:
        share = each.shares.get(starts[-1], 0.0)
        places.append(1 - (lower + share / 2))
        lower += share
    places = _apart(places)
    return "".join(
        svg.text(0, y, percent(each.shares.get(starts[-1], 0.0)), "hi", dx=8, dy=4)
        + svg.text(0, y, short(each.name, 18), "lab prov-t", dx=50, dy=4)
        for each, y in zip(series, places, strict=True)
    )


def _apart(places: Sequence[float]) -> list[float]:
    """Falling positions, at least `DODGE` apart and inside of the chart."""
    moved: list[float] = []
    for place in places:
        moved.append(min(place, moved[-1] - DODGE) if moved else min(place, 1.0))
    lowest = 0.0
    for number in range(len(moved) - 1, -1, -1):
        moved[number] = max(moved[number], lowest)
        lowest = moved[number] + DODGE
    return moved
