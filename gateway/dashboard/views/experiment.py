"""The parts of a router's experiment beside one another, by what happened."""

from collections.abc import Callable, Sequence

from bandit.ope.estimates import Figure
from bandit.ope.parts import Verdict
from bandit.quick import quick_dataclass
from gateway.dashboard.formats import DAY, count, percent, seconds, usd
from gateway.management.context import Management
from gateway.management.experiments import ComparedExperiment, ComparedPart, FigureView, compare_experiment, in_words
from gateway.management.routers import RouterView
from storage.calendar import DAY as DAY_SECONDS

PER = 1_000
MOST_COMPARED = 20_000
"""Requests that a page compares: each is read."""


@quick_dataclass(frozen=True, slots=True)
class FigureCell:
    """A mean, its 95 % interval, and the difference to the first part with its own; empty: not known, or the first."""

    mean: str
    interval: str
    apart: str
    apart_interval: str
    is_told: bool


@quick_dataclass(frozen=True, slots=True)
class PartRow:
    """One policy. `known` says of the first one's and its worth whether enough is known of their difference."""

    policy: str
    share: str
    requests: int
    units: str
    cells: Sequence[FigureCell]
    known: str
    kind: str


@quick_dataclass(frozen=True, slots=True)
class ExperimentTable:
    """All parts. `wanted` says what to do instead if there is too much to compare."""

    id: str
    days: int
    heads: Sequence[str]
    rows: Sequence[PartRow]
    others: int
    is_enough: bool
    wanted: str


def experiment_table(management: Management, router: RouterView, requests: int, days: int) -> ExperimentTable | None:
    """The running experiment in the last days, of which the router had so many requests; None: it has none."""
    if not router.settings.get("policies"):
        return None
    heads = [name for name, _, _ in _FIGURES]
    if requests > MOST_COMPARED:
        command = f"bandit-gateway evaluate --router {router.id} --experiment --since {days}d"
        wanted = f"More than {count(MOST_COMPARED)} requests are compared by “{command}”, or choose fewer days."
        return ExperimentTable("", days, heads, (), 0, is_enough=False, wanted=wanted)
    since_days = (management.now - (management.now // DAY_SECONDS - days + 1) * DAY_SECONDS) / DAY
    compared = compare_experiment(management, router.id, since_days)
    return ExperimentTable(
        id=compared.id,
        days=days,
        heads=heads,
        rows=[_row(compared, part) for part in compared.parts],
        others=compared.others,
        is_enough=compared.enough,
        wanted="",
    )


def _row(compared: ComparedExperiment, part: ComparedPart) -> PartRow:
    worth = part.differences.get(Figure.UTILITY)
    units = f"{count(part.units)} {compared.unit}{'s' if part.units != 1 else ''}"
    return PartRow(
        policy=part.policy,
        share=percent(part.share),
        requests=part.requests,
        units="" if compared.unit == "request" else units,
        cells=[_cell(part, figure, shown) for _, figure, shown in _FIGURES],
        known="the others are compared with it" if worth is None else in_words(Figure.UTILITY, worth, compared.unit),
        kind="" if worth is None or worth.verdict is Verdict.UNKNOWN else "good",
    )


def _cell(part: ComparedPart, figure: Figure, shown: Callable[[float], str]) -> FigureCell:
    own, apart = part.figures[figure], part.differences.get(figure)
    return FigureCell(
        mean="–" if own.mean is None else shown(own.mean),
        interval=_interval(own, shown),
        apart="" if apart is None or apart.mean is None else _signed(apart.mean, shown),
        apart_interval="" if apart is None else _interval(apart, shown),
        is_told=apart is not None and apart.verdict is not Verdict.UNKNOWN,
    )


def _interval(view: FigureView, shown: Callable[[float], str]) -> str:
    return "" if view.low is None or view.high is None else f"{shown(view.low)} to {shown(view.high)}"


def _signed(value: float, shown: Callable[[float], str]) -> str:
    return f"+{shown(value)}" if value > 0.0 else shown(value)


def _score(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _duration(value: float) -> str:
    return seconds(value) if value >= 0.0 else f"−{seconds(-value)}"


def _of_many(value: float) -> str:
    return usd(PER * value)


def _part(value: float) -> str:
    return f"{value:.1%}".replace("-", "−")


_FIGURES: Sequence[tuple[str, Figure, Callable[[float], str]]] = (
    ("Quality", Figure.QUALITY, _score),
    ("Answered", Figure.SUCCESS, _part),
    ("Cost per 1,000", Figure.COST, _of_many),
    ("Wait", Figure.SECONDS, _duration),
    ("Worth per 1,000", Figure.UTILITY, _of_many),
)
