"""/: the first page."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.dashboard.pages import PageRoute, see_other
from gateway.dashboard.visit import Reader

router = APIRouter(route_class=PageRoute)


@router.get("/")
async def overview(request: Request, visit: Reader) -> Response:
    """The page that a session begins with."""
    return see_other(request, "/health")
