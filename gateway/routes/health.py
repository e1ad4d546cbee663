"""GET /healthz and /readyz: does the process live, and can it serve."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.auth import require
from gateway.errors import GatewayError
from gateway.routes.answer import gateway_of, json_response

router = APIRouter()

_LOCAL_NAMES = {"127.0.0.1", "localhost", "::1"}


@router.get("/healthz")
async def healthz() -> Response:
    """The process lives."""
    return json_response({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """It can serve: records can be written and routers are loaded. Details for admins and for this machine."""
    gateway = gateway_of(request)
    problems, notes = gateway.problems(), gateway.notes()
    status = "unavailable" if problems else "degraded" if notes else "ready"
    answer: dict[str, object] = {"status": status}
    if _may_see_details(request):
        answer |= {"problems": problems, "notes": notes}
    return json_response(answer, 503 if problems else 200)


def _may_see_details(request: Request) -> bool:
    client = request.client.host if request.client else ""
    if client in _LOCAL_NAMES and request.url.hostname in _LOCAL_NAMES:
        return True
    header = request.headers.get("authorization")
    flow = gateway_of(request).flow
    try:
        require(flow.keyring.authenticate(header.encode("latin-1") if header else None, flow.clock()), ("admin",))
    except GatewayError:
        return False
    return True
