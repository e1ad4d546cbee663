"""/health: what is broken, and what to do."""

from fastapi import Request
from fastapi.responses import Response

from gateway.dashboard.events import HEARTBEATS
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.health import health_page
from gateway.dashboard.visit import Administrator, Reader
from gateway.management.models import resume_model

router = page_router()


@router.get("/health")
def health(request: Request, visit: Reader) -> Response:
    """Findings by severity, each with its remedy."""
    return render(request, "health.html", frame_of(visit, "health", topics=(HEARTBEATS,)), health_page(visit))


@router.post("/models/{model_id:path}/resume")
def resume(request: Request, visit: Administrator, model_id: str) -> Response:
    """Try a parked or cooling model again at once, in all processes."""
    resume_model(visit.management, model_id)
    return see_other(request, "/health")
