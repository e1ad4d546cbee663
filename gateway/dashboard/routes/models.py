"""/models: the catalog."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import PageRoute, render
from gateway.dashboard.views.models import models_page
from gateway.dashboard.visit import Reader

router = APIRouter(route_class=PageRoute)


@router.get("/models")
def models(request: Request, visit: Reader) -> Response:
    """All models, their prices, and which routers use them."""
    standing = visit.standing
    page = models_page(visit.management, standing.states, standing.unavailable)
    return render(request, "models.html", frame_of(visit, "models"), page)
