"""/admin/decisions: recorded decisions, replayed."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import JsonValue

from gateway.errors import BadRequest, NotFound
from gateway.ids import parse_completion_id
from gateway.reports.explanation import explain, record_to_json, to_json
from gateway.routes.admin.calls import Cursor
from gateway.routes.authentication import require_reader
from gateway.routes.services import json_response, services_of
from storage.records import DecisionView

MOST_AT_ONCE = 200

RouterId: TypeAlias = Annotated[str, Query(max_length=80)]

router = APIRouter(prefix="/admin", tags=["decisions"])


@router.get("/decisions", response_model=dict[str, JsonValue])
def list_decisions(router_id: RouterId, request: Request, cursor: Cursor = None, limit: int = 50) -> Response:
    """A page of a router's requests, the latest first. `next_cursor` asks for the next page; null at the end."""
    require_reader(request, router_id)
    if not 1 <= limit <= MOST_AT_ONCE:
        raise BadRequest(f"`limit` must be from 1 to {MOST_AT_ONCE}, not {limit}", param="limit")
    page = services_of(request).ledger.decisions(router_id, cursor, limit)
    data = [_summary(view) for view in page.views]
    return json_response({"object": "list", "data": data, "next_cursor": page.cursor})


@router.get("/decisions/{completion_id}", response_model=dict[str, JsonValue])
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


def _summary(view: DecisionView) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{view.decision.completion_id}",
        "decision": record_to_json(view.decision),
        "outcome": record_to_json(view.outcome),
    }
