"""/routers/{id}/decisions and /decisions/{id}: requests, and one of them in full."""

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.dashboard.events import ROUTER
from gateway.dashboard.forms import attempt
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import PageRoute, render
from gateway.dashboard.views.decision import decision_page
from gateway.dashboard.views.decisions import decisions_page
from gateway.dashboard.visit import Reader, Visit
from gateway.errors import NotFound
from gateway.ids import parse_completion_id
from gateway.management.api_keys import get_api_key
from gateway.management.routers import get_router
from gateway.reports.explanation import Explained, explain, to_json

router = APIRouter(route_class=PageRoute)


@router.get("/routers/{router_id}/decisions")
def decisions(request: Request, visit: Reader, router_id: str, cursor: str | None = None) -> Response:
    """A router's requests, the latest first."""
    page = decisions_page(visit.management, visit.services.ledger, router_id, cursor)
    topics = (f"{ROUTER}{router_id}",) if cursor is None else ()
    return render(request, "decisions.html", frame_of(visit, "decisions", router_id=router_id, topics=topics), page)


@router.get("/decisions/{completion_id}")
def decision(request: Request, visit: Reader, completion_id: str) -> Response:
    """One request: why this model, and what came of it."""
    explained = _explained(visit, completion_id)
    record = explained.view.decision
    known = attempt(lambda: get_router(visit.management, record.router_id)).answer
    by = attempt(lambda: get_api_key(visit.management, record.key_id)).answer
    arms = [arm.model_id for arm in explained.choice.arms]
    page = decision_page(
        explained,
        known.name if known else record.router_id,
        [model.id for model in known.models] if known else arms,
        by.label if by else record.key_id,
    )
    frame = frame_of(visit, "decisions", router_id=record.router_id, topics=(f"{ROUTER}{record.router_id}",))
    return render(request, "decision.html", frame, page)


@router.get("/decisions/{completion_id}/json")
def decision_json(visit: Reader, completion_id: str) -> Response:
    """The same as `GET /admin/decisions/{id}`."""
    return Response(msgspec.json.encode(to_json(_explained(visit, completion_id))), media_type="application/json")


def _explained(visit: Visit, completion_id: str) -> Explained:
    """The decision with its replay. Raises NotFound, NotExplainable."""
    id_ = parse_completion_id(completion_id)
    view = visit.services.ledger.decision(id_) if id_ else None
    if view is None or not visit.management.sees(view.decision.router_id):
        raise NotFound(f"there is no completion {completion_id[:80]!r}", code="completion_not_found")
    live = visit.services.routers.get(view.decision.router_id)
    return explain(view, live.secret if live else None)
