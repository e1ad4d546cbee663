"""POST /admin/reload: read the configuration again."""

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from gateway.errors import BadRequest, InsufficientScope
from gateway.routes.admin.calls import Administrator, answer, api_router
from gateway.routes.admin.idempotency import IdempotentRoute
from gateway.routes.services import services_of

router = api_router("/admin", "configuration", IdempotentRoute)


class Reloaded(BaseModel):
    """The configuration that is in effect. `at_next_start` are settings that a running gateway can't change."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reloaded": True, "file": "bandit-gateway.toml", "changes": ["…"], "at_next_start": []}]
        }
    )

    reloaded: bool = True
    file: str | None
    changes: list[str]
    at_next_start: list[str]


@router.post("/reload", response_model=Reloaded)
async def reload(request: Request, management: Administrator) -> Response:
    """Read the configuration again, all or nothing, in this process and the other workers of this machine."""
    if management.router_ids is not None:
        raise InsufficientScope("this API key is for some routers, and the configuration is for all")
    if management.dry_run:
        raise BadRequest("a reload can't be tried without doing it: `doctor` checks a file", param="dry_run")
    services = services_of(request)
    reread = await services.configuration.reload()
    services.reload_others()
    return answer(
        Reloaded(
            file=None
            if reread.configured.settings.config_path is None
            else str(reread.configured.settings.config_path),
            changes=list(reread.changes),
            at_next_start=list(reread.at_next_start),
        )
    )
