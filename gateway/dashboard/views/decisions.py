"""The page of a router's requests, the latest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from gateway.dashboard.colours import GREY, colours_of
from gateway.management.context import Management
from gateway.management.routers import RouterView, get_router
from gateway.tasks.classifier import TASK_NAMES
from storage.records import DecisionView, Status
from storage.stores.ledger import Ledger

AT_ONCE = 50
LOW_SCORE = 0.4


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class DecisionsPage:
    """A page of a router's requests. `older` asks for the next one."""

    router: RouterView
    rows: Sequence[DecisionRow]
    older: str | None
    is_first: bool
    retention: str


def decisions_page(management: Management, ledger: Ledger, router_id: str, cursor: str | None) -> DecisionsPage:
    """The requests before `cursor`, or the latest ones. Raises NotFound, InvalidCursor."""
    router = get_router(management, router_id)
    colours = colours_of(model.id for model in router.models)
    found = ledger.decisions(router_id, cursor, AT_ONCE)
    return DecisionsPage(
        router=router,
        rows=[_row(view, colours) for view in found.views],
        older=found.cursor,
        is_first=cursor is None,
        retention=str(router.settings["retention_days"]),
    )


def score_of(view: DecisionView) -> float | None:
    """The mean of the latest score of each source."""
    latest = {each.source: each.score for each in view.feedback}
    return fmean(latest.values()) if latest else None


def task_shown(task: str) -> str:
    """A class as it is shown: the classifier's by their names, others as callers state them."""
    return TASK_NAMES.get(task, task) or "general"


def _row(view: DecisionView, colours: Mapping[str, int]) -> DecisionRow:
    decision, outcome = view.decision, view.outcome
    model, score = outcome.model_id or decision.drawn_model_id, score_of(view)
    ending, kind = _ending(view)
    return DecisionRow(
        id=f"chatcmpl-{decision.completion_id}",
        at=decision.at,
        model=model,
        colour=colours.get(model, GREY),
        task=task_shown(decision.task),
        chance=decision.propensity if decision.randomised else None,
        tried=" is tried, " in outcome.reason,
        ending=ending,
        kind=kind,
        seconds=outcome.seconds,
        cost_usd=outcome.cost_usd,
        score=score,
        is_low=score is not None and score < LOW_SCORE,
        why=outcome.reason,
    )


def _ending(view: DecisionView) -> tuple[str, str]:
    outcome = view.outcome
    match outcome.status:
        case Status.ANSWERED:
            first = view.attempts[0] if view.attempts else None
            return (f"after {first.ending}", "warn") if first is not None and outcome.attempts > 1 else ("", "")
        case Status.PARTIAL:
            return "cut off", "warn"
        case Status.CLIENT_GONE:
            return "client left", ""
        case Status.REJECTED:
            return f"rejected: {outcome.http_status}", ""
        case Status.FAILED:
            return f"failed: {outcome.http_status}", "bad"
