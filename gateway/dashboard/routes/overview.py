"""/: the first page, and the test request of its first steps."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from gateway.api_keys import require
from gateway.dashboard.events import ROUTER
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render
from gateway.dashboard.trial import send_test_request
from gateway.dashboard.views.overview import USUAL_DAYS, Tried, overview_page, window_of
from gateway.dashboard.visit import Administrator, Reader, Visit
from gateway.management.savings import savings

router = page_router()


@router.get("/")
def overview(
    request: Request,
    visit: Reader,
    router_id: Annotated[str | None, Query(alias="router", max_length=80)] = None,
    days: Annotated[int, Query(ge=1, le=366)] = USUAL_DAYS,
    baseline: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """What was saved, all routers, and what needs somebody."""
    return _page(request, visit, None, router_id, days, baseline)


@router.get("/routers/{router_id}/savings.json")
def savings_as_json(
    visit: Reader,
    router_id: str,
    days: Annotated[int, Query(ge=1, le=366)] = USUAL_DAYS,
    baseline: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """What the page's savings are made of."""
    view = savings(visit.management, router_id, *window_of(visit.management, days), baseline or None)
    return Response(view.model_dump_json(), media_type="application/json")


@router.post("/routers/{router_id}/test-request")
async def test_request(request: Request, visit: Administrator, router_id: str) -> Response:
    """Send a request as a client would, and show what came of it."""
    require(visit.key, ("routing",), router_id)
    request_id = request.scope["request_id"]
    tried = await send_test_request(visit.services.flow, visit.key, router_id, request_id)
    return await run_in_threadpool(_page, request, visit, tried)


def _page(
    request: Request,
    visit: Visit,
    tried: Tried | None,
    router_id: str | None = None,
    days: int = USUAL_DAYS,
    baseline: str = "",
) -> Response:
    live = visit.services.routers
    topics = ["routers", *(f"{ROUTER}{id_}" for id_ in live if visit.management.sees(id_))]
    page = overview_page(visit, tried, router_id=router_id, days=days, baseline=baseline)
    chosen = None if page.chosen is None else page.chosen.id
    frame = frame_of(visit, "overview", router_id=chosen, topics=topics if tried is None else ())
    return render(request, "overview.html", frame, page)
