"""The page of one router: whom it chooses, and what it believes of its models."""

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from bandit.quick import quick_dataclass
from bandit.statistics import ANY_TASK
from gateway.dashboard import charts
from gateway.dashboard.colours import GREY, colours_of
from gateway.dashboard.formats import DAY, axis_usd, count, percent, seconds, span, usd, usd_column
from gateway.dashboard.svg import Linear, Scale, around
from gateway.dashboard.views.experiment import ExperimentTable, experiment_table
from gateway.dashboard.views.router_traffic import FEW_SCORES, Matrix, SharesOverTime, matrix, shares_over_time
from gateway.management.context import Management
from gateway.management.routers import RouterView, get_router
from gateway.management.stats import IntervalView, ModelStatsView, StatsView
from gateway.settings.experiment_options import policy_in_words

PER = 1_000
MOST_THIN = 3
MOST_DAYS = 100
MOST_TASKS = 6
"""Classes beside one another; the others are behind “more”."""


@quick_dataclass(frozen=True, slots=True)
class Figure:
    """A posterior as a chart and as a figure."""

    chart: Markup
    text: str


@quick_dataclass(frozen=True, slots=True)
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


@quick_dataclass(frozen=True, slots=True)
class TrafficRow:
    """What a model did in the period."""

    model: str
    colour: int
    share: float
    requests: int
    answered: int
    failed: int
    cost_usd: float


@quick_dataclass(frozen=True, slots=True)
class Fact:
    """A part of the settings in words; `line` of the configuration file that sets it, 0 if it was set elsewhere."""

    name: str
    text: str
    line: int


@quick_dataclass(frozen=True, slots=True)
class TaskLink:
    """A class of requests, by the name that the URL has and the one that is shown."""

    name: str
    shown: str


@quick_dataclass(frozen=True, slots=True)
class RouterPage:
    """One router. `rulers` label the columns of the beliefs; `thin` says which model lacks scores, and until when."""

    router: RouterView
    facts: Sequence[Fact]
    shares: SharesOverTime
    experiment: ExperimentTable | None
    matrix: Matrix
    thin: str
    beliefs: Sequence[BeliefRow]
    rulers: Mapping[str, Markup]
    traffic: Sequence[TrafficRow]
    requests: int
    tasks: Sequence[TaskLink]
    more_tasks: Sequence[TaskLink]
    task: str
    days: int
    curl: str


@quick_dataclass(frozen=True, slots=True)
class _Scales:
    """What the rows of the beliefs share: the scales of their charts, and how their dollars are written."""

    quality: Scale
    cost: Scale
    wait: Scale
    worth: Scale
    cost_text: Callable[[float], str]
    worth_text: Callable[[float], str]


def router_page(
    management: Management,
    router_id: str,
    stats: StatsView,
    unavailable: Mapping[str, str],
    tasks: Mapping[str, str],
    days: int,
) -> RouterPage:
    """The page from the router's statistics, which are read on the event loop. Raises NotFound.

    `tasks` are the classes, each as it is shown.
    """
    router = get_router(management, router_id)
    colours = colours_of(model.id for model in router.models)
    scales = _scales(stats.models)
    links = _task_links(tasks, stats)
    by_share = sorted(stats.models, key=lambda each: -each.share_now)
    return RouterPage(
        router=router,
        facts=_facts(router, stats),
        shares=shares_over_time(management, router, colours, stats.from_at // DAY * DAY),
        experiment=experiment_table(management, router, sum(each.requests for each in stats.models), days),
        matrix=matrix(stats.tasks, colours, tasks),
        thin=_thin(router, stats),
        beliefs=[_belief(each, colours.get(each.id, GREY), scales, router, unavailable) for each in by_share],
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
        tasks=links[:MOST_TASKS],
        more_tasks=links[MOST_TASKS:],
        task=stats.task,
        days=days,
        curl=curl_of(router.endpoint),
    )


def curl_of(endpoint: str) -> str:
    """The shell command that sends a router its first request; the key is left to the reader."""
    return (
        f"curl {endpoint} \\\n"
        '  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n'
        '  -d \'{"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]}\''
    )


def _task_links(tasks: Mapping[str, str], stats: StatsView) -> list[TaskLink]:
    """All classes, then the one that is shown, then each by its requests."""
    requests = {each.task: each.requests for each in stats.tasks}
    names = sorted(tasks, key=lambda name: (name != stats.task, -requests.get(name, 0), name))
    return [TaskLink(ANY_TASK, "All classes"), *(TaskLink(name, tasks[name]) for name in names)]


def _facts(router: RouterView, stats: StatsView) -> list[Fact]:
    """The settings in words, each with the line of the configuration file that sets it."""
    settings, goal, budget, today = router.settings, stats.objective, stats.budget, stats.today
    preset = f"{settings['objective']}: " if isinstance(settings["objective"], str) else ""
    answer, second, failure = usd(goal.quality_usd), usd(goal.second_usd), usd(goal.failure_usd)
    dollars = f"{answer} a perfect answer · {second} a second · {failure} a failure"
    exploration = settings["exploration"]
    explored = f", {percent(exploration)} exploration" if isinstance(exploration, float | int) else ""
    facts = [
        ("objective", "Objective", f"{preset}{dollars}"),
        ("policy", "Policy", f"{policy_in_words(settings)}{explored}"),
    ]
    if budget.limit_usd is not None:
        counts = f"a dollar counts {budget.multiplier:.1f} times"
        facts.append(
            (
                "budget_usd_per_request",
                "Budget per request",
                f"{usd(budget.mean_cost_usd)} of {usd(budget.limit_usd)} · {counts}",
            )
        )
    limit = "" if today.limit_usd is None else f" of {usd(today.limit_usd)}"
    facts.append(("max_usd_per_day", "Spent today (UTC)", f"{usd(today.spent_usd)}{limit}"))
    shown = [Fact(label, text, router.declared.get(name, 0)) for name, label, text in facts]
    others = {name: line for name, line in router.declared.items() if name not in {each[0] for each in facts}}
    if others:
        lines = ", ".join(f"{name} (line {line})" for name, line in others.items())
        shown.append(Fact("Set by the configuration file, too", lines, 0))
    return shown


def _thin(router: RouterView, stats: StatsView) -> str:
    """Which models have few scores, how many they need, and how long that takes at the present pace."""
    scored = sum(task.scored for task in stats.tasks)
    days = (stats.snapshot_at - max(stats.from_at, router.created_at)) / DAY
    told = []
    for each in stats.models:
        lacking = FEW_SCORES - each.quality.scores
        if lacking <= 0 or each.state == "parked":
            continue
        pace = each.share_now * scored / days if days > 0 else 0.0
        wait = (
            f", about {span(DAY * lacking / pace)} more at its share now"
            if pace > 0 and lacking / pace < MOST_DAYS
            else ""
        )
        told.append(f"{each.id} has {count(each.quality.scores)} of {FEW_SCORES}{wait}")
    if not told:
        return ""
    return f"{'; '.join(told[:MOST_THIN])}. Scores for more of its answers hasten it, and so does more exploration."


def _scales(models: Sequence[ModelStatsView]) -> _Scales:
    def ends(values: Sequence[IntervalView], factor: float = 1.0) -> list[float]:
        return [factor * each for value in values for each in (value.low, value.mean, value.high)]

    quality = [value.low for value in (each.quality for each in models)]
    return _Scales(
        quality=Linear(0.5 if quality and min(quality) >= 0.5 else 0.0, 1.0),
        cost=around(ends([each.cost_per_answer_usd for each in models], PER), logarithmic=True),
        wait=around(ends([each.seconds for each in models]), logarithmic=True),
        worth=around(ends([each.worth_usd for each in models], PER)),
        cost_text=usd_column(PER * each.cost_per_answer_usd.mean for each in models),
        worth_text=usd_column(PER * each.worth_usd.mean for each in models),
    )


def _belief(
    model: ModelStatsView, colour: int, scales: _Scales, router: RouterView, unavailable: Mapping[str, str]
) -> BeliefRow:
    def figure(
        scale: Scale, value: IntervalView, factor: float, what: str, text: str, *, is_beta: bool = False
    ) -> Figure:
        interval = charts.Interval(factor * value.low, factor * value.mean, factor * value.high)
        low, high = (f"{each:.3g}" for each in (interval.low, interval.high))
        told = f"{what}: {text}, 90% from {low} to {high}"
        return Figure(charts.interval(scale, interval, colour, told, is_beta=is_beta), text)

    few = model.quality.scores < FEW_SCORES
    state, kind = _chip(model, router, unavailable.get(model.id), few=few)
    cost, wait, worth = model.cost_per_answer_usd, model.seconds, model.worth_usd
    return BeliefRow(
        model=model.id,
        colour=colour,
        share=percent(model.share_now),
        bar=charts.share(model.share_now, colour),
        quality=figure(scales.quality, model.quality, 1.0, "Quality", f"{model.quality.mean:.2f}", is_beta=True),
        cost=figure(scales.cost, cost, PER, "Dollars per 1,000 answers", scales.cost_text(PER * cost.mean)),
        wait=figure(scales.wait, wait, 1.0, "Seconds of waiting", seconds(wait.mean)),
        worth=figure(
            scales.worth, worth, PER, "Worth in dollars per 1,000 answers", scales.worth_text(PER * worth.mean)
        ),
        scores=count(model.quality.scores),
        few_scores=few,
        state=state,
        kind=kind,
    )


def _chip(model: ModelStatsView, router: RouterView, unavailable: str | None, *, few: bool) -> tuple[str, str]:
    """The state in words with its reason, and the chip's colour; nothing for a model that is as it should be."""
    settings = router.settings
    if model.state == "parked":
        return unavailable or "parked", "bad"
    if unavailable is not None or model.state == "cooling":
        return f"cooling: {unavailable}" if unavailable else "cooling", "warn"
    if model.state == "newcomer":
        cap = settings["newcomer_share"]
        return f"newcomer: at most {percent(cap)}" if isinstance(cap, float | int) else "newcomer", "accent"
    if model.state == "limited":
        slowest = settings["latency_limit_seconds"]
        slow = isinstance(slowest, float | int) and model.seconds.mean > slowest
        return "limited: too slow" if slow else "limited: below the quality floor", "accent"
    return (f"needs scores: {count(model.quality.scores)} of {FEW_SCORES}", "") if few else ("", "")
