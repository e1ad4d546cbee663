"""/admin/decisions: recorded decisions, replayed; /admin/routers/{id}/evaluation: off-policy evaluation."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bandit.types import Epoch
from gateway.errors import BadRequest, NotFound
from gateway.ids import parse_completion_id
from gateway.reports.evaluation import Question, evaluate_router, models_of
from gateway.reports.evaluation import to_json as evaluation_to_json
from gateway.reports.explanation import explain, record_to_json, to_json
from gateway.routes.authentication import require_reader
from gateway.routes.services import json_response, services_of
from gateway.routing.daily_spend import DAY_SECONDS
from storage.records import DecisionView

MOST_AT_ONCE = 200
MOST_EVALUATED = 20_000
"""The newest requests up to this number: more would delay running requests. The command line has no such limit."""

router = APIRouter(prefix="/admin", tags=["decisions"])


@router.get("/decisions")
def list_decisions(router_id: str, request: Request, cursor: str | None = None, limit: int = 50) -> Response:
    """A page of a router's requests, the latest first. `next_cursor` asks for the next page; null at the end."""
    require_reader(request, router_id)
    if not 1 <= limit <= MOST_AT_ONCE:
        raise BadRequest(f"`limit` must be from 1 to {MOST_AT_ONCE}, not {limit}", param="limit")
    page = services_of(request).ledger.decisions(router_id, cursor, limit)
    data = [_summary(view) for view in page.views]
    return json_response({"object": "list", "data": data, "next_cursor": page.cursor})


@router.get("/decisions/{completion_id}")
def get_decision(completion_id: str, request: Request) -> Response:
    """One request in full: choice, attempts, outcome and feedback, and the decision replayed from its record."""
    key = require_reader(request)
    services = services_of(request)
    id_ = parse_completion_id(completion_id)
    view = services.ledger.decision(id_) if id_ else None
    if view is None or (key.routers is not None and view.decision.router_id not in key.routers):
        raise NotFound(f"there is no completion {completion_id[:80]!r}", code="completion_not_found")
    live = services.routers.get(view.decision.router_id)
    return json_response(to_json(explain(view, live.secret if live else None)))


@router.get("/routers/{router_id}/evaluation")
def get_evaluation(
    router_id: str, request: Request, policy: str = "thompson", models: str | None = None, days: float = 30.0
) -> Response:
    """What another policy or set of models (comma-separated) would have cost and scored, from the log alone."""
    require_reader(request, router_id)
    services = services_of(request)
    live = services.routers.get(router_id)
    if live is None:
        raise NotFound(f"there is no router {router_id[:80]!r}", code="router_not_found")
    if not 0.0 < days <= 36_500.0:
        raise BadRequest(f"`days` must be from 0 to 36500, not {days}", param="days")
    wanted = None if models is None else models_of(models, router_id, live.models)
    now = services.clock()
    question = Question(policy, models=wanted)
    since = Epoch(now - days * DAY_SECONDS)
    answer = evaluate_router(services.ledger, router_id, question, since, now, MOST_EVALUATED)
    return json_response(evaluation_to_json(answer))


def _summary(view: DecisionView) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{view.decision.completion_id}",
        "decision": record_to_json(view.decision),
        "outcome": record_to_json(view.outcome),
    }
