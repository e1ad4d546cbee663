"""Whom a router chose: shares over time with what was changed meanwhile, and the shares of each class."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bandit.quick import quick_dataclass
from gateway.dashboard.colours import COLOURS, GREY
from gateway.dashboard.formats import HOUR, MINUTE, percent, span
from gateway.dashboard.stacked import Series, Stacked, stacked
from gateway.dashboard.views.changes import ChangeRow, row_of, with_forecast
from gateway.dashboard.views.decisions import task_shown
from gateway.management.changes import list_changes, price_changes
from gateway.management.context import Management
from gateway.management.evals import list_evals
from gateway.management.routers import RouterView
from gateway.management.shares import Draws, TaskView, draws_over_time

MOST_MARKS = 9
FEW_SCORES = 30
STRONG = (0.4, 0.2, 0.05)
"""Shares of a class from which on its cell is darker."""
OTHERS = "others"


@quick_dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to the router: a change, or else what `text` says."""

    at: float
    text: str = ""
    change: ChangeRow | None = None


@quick_dataclass(frozen=True, slots=True)
class SharesOverTime:
    """The chart, what its marks mean, and how long a bucket is. None: there was no request."""

    chart: Stacked | None
    marks: Sequence[Mark]
    per: str
    models: Sequence[tuple[str, int]]


@quick_dataclass(frozen=True, slots=True)
class MatrixCell:
    """A model's share of a class; `shade` 0 to 3."""

    text: str
    colour: int
    shade: int


@quick_dataclass(frozen=True, slots=True)
class MatrixRow:
    """A class and its cells in the order of the models."""

    task: str
    requests: int
    scored: int
    is_thin: bool
    cells: Sequence[MatrixCell]


@quick_dataclass(frozen=True, slots=True)
class Matrix:
    """Classes by models."""

    models: Sequence[tuple[str, int]]
    rows: Sequence[MatrixRow]


def shares_over_time(
    management: Management, router: RouterView, colours: Mapping[str, int], since: float
) -> SharesOverTime:
    """The shares since an instant."""
    draws = draws_over_time(management, router.id, since)
    marks = _marks(management, router, draws.since if draws.buckets else since)
    per = "hour" if draws.seconds == HOUR else "minute" if draws.seconds == MINUTE else span(draws.seconds)
    if not draws.buckets:
        return SharesOverTime(None, marks, per, ())
    series = _series(draws, colours)
    last = max(draws.buckets)
    now = ", ".join(f"{each.provider}{each.name} {percent(each.shares.get(last, 0.0))}" for each in series)
    title = f"Shares of the first choices over time, per {per}; at the end: {now}"
    at = [mark.at for mark in marks]
    chart = stacked(series, draws.since, management.now, draws.seconds, at, title)
    return SharesOverTime(chart, marks, per, [(f"{each.provider}{each.name}", each.colour) for each in series])


def matrix(tasks: Sequence[TaskView], colours: Mapping[str, int], names: Mapping[str, str]) -> Matrix:
    """The shares of each class, of the models that got any. `names` are the classes, each as it is shown."""
    used = {model_id for task in tasks for model_id in task.shares}
    models = [(model_id, colours.get(model_id, GREY)) for model_id in (*colours, *sorted(used - {*colours}))]
    models = [each for each in models if each[0] in used]
    return Matrix(
        models,
        [
            MatrixRow(
                task=task_shown(task.task, names),
                requests=task.requests,
                scored=task.scored,
                is_thin=task.scored < FEW_SCORES,
                cells=[_cell(task.shares.get(model_id, 0.0), colour) for model_id, colour in models],
            )
            for task in tasks
        ],
    )


def _cell(share: float, colour: int) -> MatrixCell:
    shade = next((3 - number for number, least in enumerate(STRONG) if share >= least), 0)
    return MatrixCell(percent(share) if share else "–", colour, shade)


def _series(draws: Draws, colours: Mapping[str, int]) -> list[Series]:
    """The models by their requests in the period, the largest at the bottom; from the ninth on they are one."""
    totals: dict[str, int] = defaultdict(int)
    for drawn in draws.buckets.values():
        for model_id, number in drawn.items():
            totals[model_id] += number
    ranked = sorted(totals, key=lambda model_id: -totals[model_id])
    shares: dict[str, dict[int, float]] = defaultdict(dict)
    for at, drawn in draws.buckets.items():
        whole = sum(drawn.values())
        for model_id, number in drawn.items():
            shown = model_id if model_id in ranked[:COLOURS] else OTHERS
            shares[shown][at] = shares[shown].get(at, 0.0) + number / whole
    names = [each for each in (*ranked[:COLOURS], OTHERS) if each in shares]
    split = {each: each.rpartition("/") for each in names}
    return [Series("".join(split[each][:2]), split[each][2], colours.get(each, GREY), shares[each]) for each in names]


def _marks(management: Management, router: RouterView, since: float) -> list[Mark]:
    """Changes of the router and of its models' prices, and scorecards for it, since an instant, in order of time.

    The latest, if there are many.
    """
    changes = list_changes(management, MOST_MARKS, None, router.id).data
    marks = [Mark(each.at, change=with_forecast(management, each)) for each in changes if each.at >= since]
    for each in price_changes(management, {each.model or each.id for each in router.models}, MOST_MARKS):
        row = row_of(each)
        marks += [Mark(each.at, change=replace(row, what=f"{row.what} {each.target}"))] if each.at >= since else []
    for card in list_evals(management):
        counts = card.id in router.eval_ids if router.eval_ids is not None else card.router_id in {None, router.id}
        if counts and card.created_at >= since and card.withdrawn_at is None:
            models = f"{len(card.rows)} model{'' if len(card.rows) == 1 else 's'}"
            marks.append(Mark(card.created_at, f"scorecard “{card.name}” imported, {models}"))
    return sorted(marks, key=lambda mark: mark.at)[-MOST_MARKS:]
