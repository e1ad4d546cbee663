"""/: the first page, and the test request of its first steps."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from gateway.api_keys import require
from gateway.dashboard.events import ROUTER
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import PageRoute, render
from gateway.dashboard.trial import send_test_request
from gateway.dashboard.views.overview import Tried, overview_page
from gateway.dashboard.visit import Administrator, Reader, Visit

router = APIRouter(route_class=PageRoute)


@router.get("/")
def overview(request: Request, visit: Reader) -> Response:
    """All routers, and what needs somebody."""
    return _page(request, visit, None)


@router.post("/routers/{router_id}/test-request")
async def test_request(request: Request, visit: Administrator, router_id: str) -> Response:
    """Send a request as a client would, and show what came of it."""
    require(visit.key, ("routing",), router_id)
    request_id = request.scope["request_id"]
    tried = await send_test_request(visit.services.flow, visit.key, router_id, request_id)
    return await run_in_threadpool(_page, request, visit, tried)


def _page(request: Request, visit: Visit, tried: Tried | None) -> Response:
    live = visit.services.routers
    topics = ["routers", *(f"{ROUTER}{id_}" for id_ in live if visit.management.sees(id_))]
    frame = frame_of(visit, "overview", topics=topics if tried is None else ())
    return render(request, "overview.html", frame, overview_page(visit, tried))
