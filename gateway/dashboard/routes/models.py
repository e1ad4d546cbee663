"""/models: the catalog, and giving a router a model of it."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from gateway.dashboard.forms import Form, attempt, read_form
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.models import add_sent, models_page
from gateway.dashboard.visit import Administrator, Reader

router = page_router()


@router.get("/models")
def models(request: Request, visit: Reader) -> Response:
    """All models, their prices, and which routers use them."""
    frame = frame_of(visit, "models")
    return render(request, "models.html", frame, models_page(visit.management, visit.standing, frame.routers))


@router.post("/models")
def add_one(request: Request, visit: Administrator, sent: Annotated[Form, Depends(read_form)]) -> Response:
    """Enable a model in a router, and show what was changed."""
    tried = attempt(lambda: add_sent(visit.management, sent))
    if tried.answer is not None:
        return see_other(request, f"/routers/{tried.answer.id}/settings?done=1")
    frame = frame_of(visit, "models")
    page = models_page(visit.management, visit.standing, frame.routers, sent, tried.problems)
    return render(request, "models.html", frame, page, 400)
