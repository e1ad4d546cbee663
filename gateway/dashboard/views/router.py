"""The page of one router: whom it chooses, and what it believes of its models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gateway.dashboard import charts
from gateway.dashboard.colours import GREY, colours_of
from gateway.dashboard.formats import axis_usd, count, percent, seconds, usd
from gateway.dashboard.svg import Linear, Scale, around
from gateway.dashboard.views.changes import ChangeRow, row_of
from gateway.management.changes import list_changes
from gateway.management.context import Management
from gateway.management.routers import RouterView, get_router
from gateway.management.stats import IntervalView, ModelStatsView, StatsView
from gateway.tasks.classifier import TASK_NAMES

PER = 1_000
FEW_SCORES = 30
LATEST_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """A posterior as a chart and as a figure."""

    chart: Markup
    text: str


@dataclass(frozen=True, slots=True)
class BeliefRow:
    """A model: its share now, and the posteriors that this follows from. `state` and `kind` are a chip's."""

    model: str
    colour: int
    share: str
    bar: Markup
    quality: Figure
    cost: Figure
    wait: Figure
    worth: Figure
    scores: str
    few_scores: bool
    state: str
    kind: str


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """What a model did in the period."""

    model: str
    colour: int
    share: float
    requests: int
    answered: int
    failed: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class TaskLink:
    """A class of requests, by the name that the URL has and the one that is shown."""

    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class RouterPage:
    """One router. `rulers` label the columns of the beliefs; `mean_cost` and `multiplier` are the budget's state."""

    router: RouterView
    stats: StatsView
    beliefs: Sequence[BeliefRow]
    rulers: Mapping[str, Markup]
    traffic: Sequence[TrafficRow]
    requests: int
    tasks: Sequence[TaskLink]
    task: str
    days: int
    changes: Sequence[ChangeRow]
    curl: str


@dataclass(frozen=True, slots=True)
class _Scales:
    quality: Scale
    cost: Scale
    wait: Scale
    worth: Scale


def router_page(
    management: Management,
    router_id: str,
    stats: StatsView,
    unavailable: Mapping[str, str],
    tasks: Sequence[str],
    days: int,
) -> RouterPage:
    """The page from the router's statistics, which are read on the event loop. Raises NotFound."""
    router = get_router(management, router_id)
    colours = colours_of(model.id for model in router.models)
    scales = _scales(stats.models)
    by_share = sorted(stats.models, key=lambda each: -each.share_now)
    changes = list_changes(management, LATEST_CHANGES, None, router_id).data
    return RouterPage(
        router=router,
        stats=stats,
        beliefs=[_belief(each, colours.get(each.id, GREY), scales, unavailable) for each in by_share],
        rulers={
            "quality": charts.ruler(scales.quality, lambda value: f"{value:g}"),
            "cost": charts.ruler(scales.cost, axis_usd),
            "wait": charts.ruler(scales.wait, seconds),
            "worth": charts.ruler(scales.worth, axis_usd),
        },
        traffic=[
            TrafficRow(
                each.id,
                colours.get(each.id, GREY),
                each.share,
                each.requests,
                each.answered,
                each.failed,
                each.cost_usd,
            )
            for each in sorted(stats.models, key=lambda each: -each.share)
        ],
        requests=sum(each.requests for each in stats.models),
        tasks=[TaskLink(name, TASK_NAMES.get(name, name) or "any class") for name in tasks],
        task=stats.task,
        days=days,
        changes=[row_of(change) for change in changes],
        curl=curl_of(router.endpoint),
    )


def curl_of(endpoint: str) -> str:
    """The shell command that sends a router its first request; the key is left to the reader."""
    return (
        f"curl {endpoint} \\\n"
        '  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n'
        '  -d \'{"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]}\''
    )


def _scales(models: Sequence[ModelStatsView]) -> _Scales:
    def ends(values: Sequence[IntervalView], factor: float = 1.0) -> list[float]:
        return [factor * each for value in values for each in (value.low, value.mean, value.high)]

    quality = [value.low for value in (each.quality for each in models)]
    return _Scales(
        quality=Linear(0.5 if quality and min(quality) >= 0.5 else 0.0, 1.0),
        cost=around(ends([each.cost_per_answer_usd for each in models], PER), logarithmic=True),
        wait=around(ends([each.seconds for each in models]), logarithmic=True),
        worth=around(ends([each.worth_usd for each in models], PER)),
    )


def _belief(model: ModelStatsView, colour: int, scales: _Scales, unavailable: Mapping[str, str]) -> BeliefRow:
    def figure(scale: Scale, value: IntervalView, factor: float, what: str, text: str) -> Figure:
        interval = charts.Interval(factor * value.low, factor * value.mean, factor * value.high)
        low, high = (f"{each:.3g}" for each in (interval.low, interval.high))
        return Figure(charts.interval(scale, interval, colour, f"{what}: {text}, 90% from {low} to {high}"), text)

    few = model.quality.scores < FEW_SCORES
    state, kind = _chip(model, unavailable.get(model.id), few=few)
    cost, wait, worth = model.cost_per_answer_usd, model.seconds, model.worth_usd
    return BeliefRow(
        model=model.id,
        colour=colour,
        share=percent(model.share_now),
        bar=charts.share(model.share_now, colour),
        quality=figure(scales.quality, model.quality, 1.0, "Quality", f"{model.quality.mean:.2f}"),
        cost=figure(scales.cost, cost, PER, "Dollars per 1,000 answers", usd(PER * cost.mean)),
        wait=figure(scales.wait, wait, 1.0, "Seconds of waiting", seconds(wait.mean)),
        worth=figure(scales.worth, worth, PER, "Worth in dollars per 1,000 answers", usd(PER * worth.mean)),
        scores=count(model.quality.scores),
        few_scores=few,
        state=state,
        kind=kind,
    )


def _chip(model: ModelStatsView, unavailable: str | None, *, few: bool) -> tuple[str, str]:
    """The state in words, and the chip's colour; nothing for a model that is as it should be."""
    if model.state == "parked":
        return "parked", "bad"
    if unavailable is not None or model.state == "cooling":
        return f"cooling: {unavailable}" if unavailable else "cooling", "warn"
    if model.state in {"newcomer", "limited"}:
        return model.state, "accent"
    return ("needs scores", "") if few else ("", "")
