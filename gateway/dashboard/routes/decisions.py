"""/routers/{id}/decisions and /decisions/{id}: requests, and one of them in full."""

from typing import Annotated, TypeAlias

from fastapi import Query, Request
from fastapi.responses import Response

from gateway.dashboard.events import ROUTER
from gateway.dashboard.forms import attempt
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render
from gateway.dashboard.views.decision import decision_page
from gateway.dashboard.views.decisions import Wanted, decisions_page, task_shown
from gateway.dashboard.visit import Reader
from gateway.management.api_keys import get_api_key
from gateway.management.decision_details import decision_view, find_decision
from gateway.management.decisions import neighbours
from gateway.management.routers import get_router
from gateway.routes.admin.calls import answer

Filtered: TypeAlias = Annotated[str, Query(max_length=200)]

router = page_router()


@router.get("/routers/{router_id}/decisions")
def decisions(
    request: Request,
    visit: Reader,
    router_id: str,
    model: Filtered = "",
    task: Filtered = "",
    ending: Filtered = "",
    score: Filtered = "",
    drawn: Filtered = "",
    conversation: Filtered = "",
    key: Filtered = "",
    cursor: str | None = None,
) -> Response:
    """A router's requests, the latest first."""
    live = visit.services.routers.get(router_id)
    wanted = Wanted(model, task, ending, score, drawn, key, conversation)
    known, called = (live.tasks.known(), live.tasks.called) if live else ([], {})
    tasks = {task: task_shown(task, called) for task in known}
    page = decisions_page(visit.management, router_id, wanted, tasks, cursor)
    topics = (f"{ROUTER}{router_id}",) if cursor is None else ()
    return render(request, "decisions.html", frame_of(visit, "decisions", router_id=router_id, topics=topics), page)


@router.get("/decisions/{completion_id}")
def decision(request: Request, visit: Reader, completion_id: str) -> Response:
    """One request: why this model, and what came of it."""
    explained = find_decision(visit.management, completion_id)
    record = explained.view.decision
    known = attempt(lambda: get_router(visit.management, record.router_id)).answer
    by = attempt(lambda: get_api_key(visit.management, record.key_id)).answer
    arms = [arm.model_id for arm in explained.choice.arms]
    live = visit.services.routers.get(record.router_id)
    page = decision_page(
        explained,
        task_shown(record.task, live.tasks.called if live else {}),
        known.name if known else record.router_id,
        [model.id for model in known.models] if known else arms,
        by.label if by else record.key_id,
        neighbours(visit.management, record.router_id, record.at, record.completion_id),
    )
    frame = frame_of(visit, "decisions", router_id=record.router_id, topics=(f"{ROUTER}{record.router_id}",))
    return render(request, "decision.html", frame, page)


@router.get("/decisions/{completion_id}/json")
def decision_json(visit: Reader, completion_id: str) -> Response:
    """The same as `GET /admin/decisions/{id}`."""
    explained = find_decision(visit.management, completion_id)
    return answer(decision_view(visit.management, explained, with_content=visit.may_change))
