"""/admin: what was decided and on what grounds, computed again; what another policy would have done. Scope `admin`."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bandit.types import Epoch
from gateway.api_keys import require
from gateway.errors import BadRequest, NotFound
from gateway.ids import parse_completion_id
from gateway.reports.evaluation import Question, evaluate_router, models_of
from gateway.reports.evaluation import to_json as evaluation_to_json
from gateway.reports.explanation import NotExplainable, explain, record_to_json, to_json
from gateway.routes.answer import json_response, parts_of
from gateway.routing.daily_spend import DAY_SECONDS
from storage.records import DecisionView, KeyRecord

MOST_AT_ONCE = 200
MOST_EVALUATED = 20_000
"""The newest so many requests: more would take time from those who wait for answers; the command has no such limit."""

router = APIRouter(prefix="/admin")


@router.get("/decisions")
def list_decisions(router_id: str, request: Request, cursor: str | None = None, limit: int = 50) -> Response:
    """A router's requests, the latest first. `next_cursor` goes on where this page ends; null at the end."""
    _admin(request, router_id)
    if not 1 <= limit <= MOST_AT_ONCE:
        raise BadRequest(f"`limit` must be from 1 to {MOST_AT_ONCE}, not {limit}", param="limit")
    try:
        page = parts_of(request).ledger.decisions(router_id, cursor, limit)
    except ValueError as error:
        raise BadRequest(f"`cursor`: {error}", param="cursor") from None
    data = [_summary(view) for view in page.views]
    return json_response({"object": "list", "data": data, "next_cursor": page.cursor})


@router.get("/decisions/{completion_id}")
def get_decision(completion_id: str, request: Request) -> Response:
    """One request in full: its choice, attempts, outcome and feedback, and the decision replayed from its record."""
    key = _admin(request, None)
    parts = parts_of(request)
    id_ = parse_completion_id(completion_id)
    view = parts.ledger.decision(id_) if id_ else None
    if view is None or (key.routers is not None and view.decision.router_id not in key.routers):
        raise NotFound(f"there is no completion {completion_id[:80]!r}", code="completion_not_found")
    live = parts.flow.routers.get(view.decision.router_id)
    try:
        return json_response(to_json(explain(view, live.secret if live else None)))
    except NotExplainable as error:
        raise NotFound(str(error), code="not_explainable") from None


@router.get("/routers/{router_id}/evaluation")
def get_evaluation(
    router_id: str, request: Request, policy: str = "thompson", models: str | None = None, days: float = 30.0
) -> Response:
    """What another policy or set of models (with commas between) would have cost and scored, from the log alone."""
    _admin(request, router_id)
    parts = parts_of(request)
    live = parts.flow.routers.get(router_id)
    if live is None:
        raise NotFound(f"there is no router {router_id[:80]!r}", code="router_not_found")
    if not 0.0 < days <= 36_500.0:
        raise BadRequest(f"`days` must be from 0 to 36500, not {days}", param="days")
    try:
        wanted = None if models is None else models_of(models, router_id, live.models)
    except ValueError as error:
        raise BadRequest(f"`models`: {error}", param="models") from None
    now = parts.flow.clock()
    question = Question(policy, models=wanted)
    try:
        answer = evaluate_router(
            parts.ledger, router_id, question, Epoch(now - days * DAY_SECONDS), now, MOST_EVALUATED
        )
    except ValueError as error:
        raise BadRequest(str(error), param="policy") from None
    return json_response(evaluation_to_json(answer))


def _admin(request: Request, router_id: str | None) -> KeyRecord:
    header = request.headers.get("authorization")
    flow = parts_of(request).flow
    key = flow.keyring.authenticate(header.encode("latin-1") if header else None, flow.clock())
    require(key, ("admin",), router_id)
    return key


def _summary(view: DecisionView) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{view.decision.completion_id}",
        "decision": record_to_json(view.decision),
        "outcome": record_to_json(view.outcome),
    }
