"""The frontier's chart: quality against spend, and wait below it, at every worth of an answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from gateway.dashboard import svg
from gateway.dashboard.colours import GREY
from gateway.dashboard.formats import axis_usd, seconds, short, usd
from gateway.dashboard.labels import Label, along, placed
from gateway.dashboard.svg import Linear, Point, Scale, around

PER = 1_000
TALL, LOW = 300, 96
MOST_TALL, MOST_LOW = 5, 3
"""Ticks of the two vertical axes."""
WIDE_RATIO = 20.0
"""Of costs whose largest is this many times the smallest, the axis is logarithmic."""

Figures = Mapping[str, Mapping[str, float]]


def bar(parts: Sequence[tuple[str, int, float]], name: str) -> Markup:
    """Shares as one bar; `parts`: model, colour, share."""
    left, body = 0.0, ""
    for _, colour, share in parts:
        body += svg.rect(left, 0, share, 1, f"f{colour} a85")
        left += share
        body += svg.line((left, 0), (left, 1), "ksf", 2)
    told = ", ".join(f"{model} {share:.0%}" for model, _, share in parts if share >= 0.005)
    return svg.chart(body, 16, f"{name}: {told}")


def frontier(known: Mapping[str, Any], proposed: Figures, colours: Mapping[str, int]) -> Markup | None:
    """The curve, each model alone (◆, with its 95 % interval), what is now (ring) and what is proposed (disc).

    None if too little is known of any.
    """
    curve = [each["figures"] for each in known["points"] if _is_told(each["figures"])]
    fixed = [(each["model"], each["figures"]) for each in known["fixed"] if _is_told(each["figures"])]
    now = known["now"]["figures"]
    marked = [each for each in (now, proposed) if _is_told(each)]
    shown = [*curve, *(figures for _, figures in fixed), *marked]
    if not shown:
        return None
    costs = [PER * each["cost_usd"]["mean"] for each in shown]
    wide = min(costs) > 0.0 and max(costs) > WIDE_RATIO * min(costs)
    x: Scale = around(costs, logarithmic=wide) if wide else Linear(0.0, 1.08 * max(costs) or 1.0)
    quality = around(end for each in shown for end in (each["quality"]["low"], each["quality"]["high"]))
    wait = Linear(0.0, 1.15 * max(each["seconds"]["mean"] for each in shown) or 1.0)
    upper, lower = _grid(x, quality, MOST_TALL), _grid(x, wait, MOST_LOW)
    drawn: list[Point] = []
    named: list[Label] = []
    for scale, key in ((quality, "quality"), (wait, "seconds")):
        ordered = sorted((_at(x, each, "cost_usd"), 1 - scale.at(each[key]["mean"])) for each in curve)
        line = svg.stretched(svg.path(ordered, "nofill ka ns", width=2)) if len(ordered) > 1 else ""
        if key == "quality":
            upper += line
            drawn += along(ordered)
        else:
            lower += line
    for model, figures in fixed:
        colour = colours.get(model, GREY)
        place = (_at(x, figures, "cost_usd"), 1 - quality.at(figures["quality"]["mean"]))
        upper += _cross(x, quality, figures, f"k{colour}") + _diamond(place, f"f{colour}")
        drawn += _crossed(x, quality, figures)
        named.append(Label(place, f"always {short(model.partition('/')[2] or model)}"))
        lower += _diamond((place[0], 1 - wait.at(figures["seconds"]["mean"])), f"f{colour}")
    for figures, name, kind in ((now, "now", "fs ki"), (proposed, "proposed", "fa ksf")):
        if not _is_told(figures):
            continue
        place = (_at(x, figures, "cost_usd"), 1 - quality.at(figures["quality"]["mean"]))
        if name == "proposed":
            upper += _cross(x, quality, figures, "ka")
            drawn += _crossed(x, quality, figures)
        upper += svg.dot(*place, 7, f"{kind} ring")
        named.insert(0, Label(place, name, "hi"))
        drawn.append(place)
        lower += svg.dot(place[0], 1 - wait.at(figures["seconds"]["mean"]), 6, f"{kind} ring")
    upper += placed(named, drawn, TALL)
    title = _told(now, proposed, fixed)
    bottom = "".join(_bottom(x, tick) for tick in x.ticks())
    parts = (
        _side(quality, TALL, lambda value: f"{value:.3g}", MOST_TALL),
        svg.chart(upper, TALL, title),
        _side(wait, LOW, lambda value: seconds(value) if value else "0 s", MOST_LOW),
        svg.chart(lower, LOW),
        Markup("<span></span>"),
        svg.chart(bottom, 20),
    )
    return Markup("").join(parts)


def _is_told(figures: Figures) -> bool:
    return all(key in figures for key in ("cost_usd", "quality", "seconds"))


def _at(x: Scale, figures: Figures, key: str) -> float:
    return x.at(PER * figures[key]["mean"])


def _grid(x: Scale, y: Scale, most: int) -> str:
    across = (svg.line((0, 1 - y.at(tick)), (1, 1 - y.at(tick)), "gridline") for tick in y.ticks(most))
    down = (svg.line((x.at(tick), 0), (x.at(tick), 1), "gridline") for tick in x.ticks())
    return "".join((*across, *down))


def _side(y: Scale, height: int, label: Any, most: int) -> Markup:
    texts = (svg.text(1, 1 - y.at(tick), label(tick), anchor="end", dx=-8, dy=4) for tick in y.ticks(most))
    return svg.chart("".join(texts), height)


def _bottom(x: Scale, tick: float) -> str:
    at = x.at(tick)
    return svg.text(at, 0.8, axis_usd(tick), anchor="start" if at < 0.03 else "end" if at > 0.97 else "middle")


def _cross(x: Scale, y: Scale, figures: Figures, kind: str) -> str:
    cost, quality = figures["cost_usd"], figures["quality"]
    at, level = x.at(PER * cost["mean"]), 1 - y.at(quality["mean"])
    left, right = (min(max(x.at(PER * cost[end]), 0.0), 1.0) for end in ("low", "high"))
    across = svg.line((left, level), (right, level), kind, 1.6)
    return across + svg.line((at, 1 - y.at(quality["low"])), (at, 1 - y.at(quality["high"])), kind, 1.6)


def _crossed(x: Scale, y: Scale, figures: Figures) -> list[Point]:
    """Points of a cross, which labels keep off."""
    cost, quality = figures["cost_usd"], figures["quality"]
    at, level = x.at(PER * cost["mean"]), 1 - y.at(quality["mean"])
    across = [(x.at(PER * cost["low"]), level), (x.at(PER * cost["high"]), level)]
    return along(across) + along([(at, 1 - y.at(quality["low"])), (at, 1 - y.at(quality["high"]))])


def _diamond(place: Point, kind: str) -> str:
    at = f'x="{svg.percent(place[0])}" y="{svg.percent(place[1])}"'
    return f'<svg {at} overflow="visible"><path d="M0,-6L6,0L0,6L-6,0Z" class="{kind}"/></svg>'


def _told(now: Figures, proposed: Figures, fixed: Sequence[tuple[str, Figures]]) -> str:
    def said(name: str, figures: Figures) -> str:
        cost, quality = PER * figures["cost_usd"]["mean"], figures["quality"]["mean"]
        return (
            f"{name}: {usd(cost)} per 1,000 requests, mean score {quality:.3f}, {seconds(figures['seconds']['mean'])}"
        )

    parts = [said(name, figures) for name, figures in (("now", now), ("proposed", proposed)) if _is_told(figures)]
    parts += [said(f"always {model}", figures) for model, figures in fixed]
    return "Quality and wait against spend. " + "; ".join(parts)
