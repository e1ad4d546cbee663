"""GET /healthz, /readyz and /metrics: liveness, readiness and Prometheus metrics."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict

from gateway.routes.authentication import is_admin_or_local, require_all_or_local
from gateway.routes.schemas import refusals
from gateway.routes.services import json_response, services_of

router = APIRouter()


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether the gateway can serve. Why not, what to fix and what to know is for administrators and this machine."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "degraded", "problems": [], "notes": ["…"], "remarks": []}]}
    )

    status: Literal["ready", "degraded", "unavailable"]
    problems: list[str] | None = None
    notes: list[str] | None = None
    remarks: list[str] | None = None


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """Liveness: the process answers."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz", response_model=Ready, responses={503: {"description": "Not ready; the same body", "model": Ready}}
)
async def readyz(request: Request) -> Response:
    """Readiness: records can be written and a router has a usable model. Details for admins and for this machine."""
    readiness = services_of(request).readiness
    problems, notes = readiness.problems(), readiness.notes()
    status = "unavailable" if problems else "degraded" if notes else "ready"
    answer: dict[str, object] = {"status": status}
    if is_admin_or_local(request):
        answer |= {"problems": problems, "notes": notes, "remarks": readiness.remarks}
    return json_response(answer, 503 if problems else 200)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}, **refusals(401, 403)},
)
async def metrics(request: Request) -> Response:
    """Metrics of all workers in Prometheus' text format. For admin keys and for this machine."""
    require_all_or_local(request)
    services = services_of(request)
    services.gauges.refresh()
    text = await asyncio.to_thread(services.exposition.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
