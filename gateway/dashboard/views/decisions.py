"""The page of a router's requests, the latest first, filtered by what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from urllib.parse import urlencode

from bandit.quick import quick_dataclass
from gateway.dashboard.colours import GREY, colours_of
from gateway.management.api_keys import list_key_labels
from gateway.management.context import Management
from gateway.management.decisions import DecisionRow as Row
from gateway.management.decisions import list_decisions
from gateway.management.routers import RouterView, get_router
from gateway.tasks.classifier import TASK_NAMES
from storage.records import DecisionView, Status
from storage.stores.decisions import DecisionFilter

AT_ONCE = 50
LOW_SCORE = 0.4
ENDINGS: Mapping[str, tuple[str, Sequence[Status]]] = {
    "": ("any", ()),
    "answered": ("answered", (Status.ANSWERED,)),
    "failed": ("failed", (Status.FAILED,)),
    "cut": ("cut off, or client left", (Status.PARTIAL, Status.CLIENT_GONE)),
    "rejected": ("rejected by the model", (Status.REJECTED,)),
}
DRAWN = {"": "any", "explored": "to learn"}
SCORES = {"": "any", "low": f"{LOW_SCORE:g} or less"}


@quick_dataclass(frozen=True, slots=True)
class Wanted:
    """The filters as the URL has them; empty: any."""

    model: str = ""
    task: str = ""
    ending: str = ""
    score: str = ""
    drawn: str = ""
    key: str = ""
    conversation: str = ""

    @property
    def query(self) -> str:
        """Those that are set, as a query."""
        return urlencode({name: value for name, value in asdict(self).items() if value})


@quick_dataclass(frozen=True, slots=True)
class DecisionRow:
    """A request. `chance` None: it was not drawn; `ending` is a chip of the colour `kind`, empty if all was well."""

    id: str
    at: float
    model: str
    colour: int
    task: str
    chance: float | None
    tried: bool
    ending: str
    kind: str
    seconds: float
    cost_usd: float
    score: float | None
    is_low: bool
    why: str


@quick_dataclass(frozen=True, slots=True)
class Option:
    """A choice of a filter."""

    value: str
    shown: str


@quick_dataclass(frozen=True, slots=True)
class Filter:
    """A filter with its choices."""

    name: str
    label: str
    value: str
    options: Sequence[Option]


@quick_dataclass(frozen=True, slots=True)
class Chosen:
    """A filter that is set, in words, and the query without it."""

    shown: str
    without: str


@quick_dataclass(frozen=True, slots=True)
class DecisionsPage:
    """A page of a router's requests. `older` is the query of the next one.

    `searched_to`: older ones are still to be compared with the filters.
    """

    router: RouterView
    filters: Sequence[Filter]
    chosen: Sequence[Chosen]
    query: str
    rows: Sequence[DecisionRow]
    older: str | None
    searched_to: float | None
    is_first: bool
    retention: str


def decisions_page(
    management: Management, router_id: str, wanted: Wanted, tasks: Mapping[str, str], cursor: str | None
) -> DecisionsPage:
    """The requests before `cursor`, or the latest ones. Raises NotFound, InvalidCursor.

    `tasks` are the router's classes, each as it is shown.
    """
    router = get_router(management, router_id)
    colours = colours_of(model.id for model in router.models)
    found = list_decisions(
        management,
        DecisionFilter(
            router_ids=[router_id],
            model_id=wanted.model or None,
            task=wanted.task or None,
            statuses=ENDINGS.get(wanted.ending, ENDINGS[""])[1],
            score_max=LOW_SCORE if wanted.score == "low" else None,
            explored=True if wanted.drawn == "explored" else None,
            key_id=wanted.key or None,
            conversation=wanted.conversation or None,
        ),
        cursor,
        AT_ONCE,
    )
    query, filters = wanted.query, _filters(management, router, wanted, tasks)
    older = urlencode({"cursor": found.next_cursor}) if found.next_cursor else None
    return DecisionsPage(
        router=router,
        filters=filters,
        chosen=[Chosen(_shown(each), replace(wanted, **{each.name: ""}).query) for each in filters if each.value],
        query=query,
        rows=[_row(row, colours, tasks) for row in found.data],
        older="&".join(filter(None, (query, older))) if older else None,
        searched_to=found.searched_to,
        is_first=cursor is None,
        retention=str(router.settings["retention_days"]),
    )


def score_of(view: DecisionView) -> float | None:
    """The mean of the latest score of each source."""
    latest = {each.source: each.score for each in view.feedback}
    return fmean(latest.values()) if latest else None


def task_shown(task: str, called: Mapping[str, str]) -> str:
    """A class as it is shown: the classifier's and call sites by their names, others as callers state them."""
    return called.get(task) or TASK_NAMES.get(task, task) or "general"


def _filters(management: Management, router: RouterView, wanted: Wanted, tasks: Mapping[str, str]) -> list[Filter]:
    anything = Option("", "any")
    models = [Option(model.id, model.id) for model in router.models]
    keys = [Option(key_id, label) for key_id, label in list_key_labels(management)]
    conversation = Option(wanted.conversation, wanted.conversation)
    of_one = Filter("conversation", "Conversation", wanted.conversation, [anything, conversation])
    return [
        Filter("model", "Model", wanted.model, [anything, *models]),
        Filter(
            "task", "Class", wanted.task, [anything, *(Option(task, shown) for task, shown in tasks.items() if task)]
        ),
        Filter("ending", "How it ended", wanted.ending, [Option(name, told) for name, (told, _) in ENDINGS.items()]),
        Filter("score", "Score", wanted.score, [Option(name, told) for name, told in SCORES.items()]),
        Filter("drawn", "Drawn", wanted.drawn, [Option(name, told) for name, told in DRAWN.items()]),
        Filter("key", "Key", wanted.key, [anything, *keys]),
        *([of_one] if wanted.conversation else ()),
    ]


def _shown(chosen: Filter) -> str:
    told = next((option.shown for option in chosen.options if option.value == chosen.value), chosen.value)
    return f"{chosen.label.lower()}: {told}"


def _row(row: Row, colours: Mapping[str, int], tasks: Mapping[str, str]) -> DecisionRow:
    model = row.model or row.drawn_model
    ending, kind = _ending(row)
    return DecisionRow(
        id=row.id,
        at=row.at,
        model=model,
        colour=colours.get(model, GREY),
        task=task_shown(row.task, tasks),
        chance=row.probability if row.randomised else None,
        tried=bool(row.explored),
        ending=ending,
        kind=kind,
        seconds=row.seconds,
        cost_usd=row.cost_usd,
        score=row.score,
        is_low=row.score is not None and row.score <= LOW_SCORE,
        why=row.reason,
    )


def _ending(row: Row) -> tuple[str, str]:
    match row.status:
        case Status.ANSWERED:
            return (f"attempt {row.attempts}", "warn") if row.attempts > 1 else ("", "")
        case Status.PARTIAL:
            return "cut off", "warn"
        case Status.CLIENT_GONE:
            return "client left", ""
        case Status.REJECTED:
            return f"rejected: {row.http_status}", ""
        case Status.FAILED:
            return f"failed: {row.http_status}", "bad"
