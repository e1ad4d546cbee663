"""POST /admin/reload: read the configuration again."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.errors import BadRequest, InsufficientScope
from gateway.routes.admin.calls import Administrator
from gateway.routes.admin.idempotency import IdempotentRoute
from gateway.routes.services import json_response, services_of

router = APIRouter(prefix="/admin", tags=["configuration"], route_class=IdempotentRoute)


@router.post("/reload")
async def reload(request: Request, management: Administrator) -> Response:
    """Read the configuration again, all or nothing, in this process and the other workers of this machine."""
    if management.router_ids is not None:
        raise InsufficientScope("this API key is for some routers, and the configuration is for all")
    if management.dry_run:
        raise BadRequest("a reload can't be tried without doing it: `doctor` checks a file", param="dry_run")
    services = services_of(request)
    reread = await services.configuration.reload()
    services.reload_others()
    return json_response(
        {
            "reloaded": True,
            "file": reread.configured.settings.config_path,
            "changes": reread.changes,
            "at_next_start": reread.at_next_start,
        }
    )
