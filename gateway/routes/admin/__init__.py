"""/admin: the management API. Scope `admin`; `read` for every GET."""

from fastapi import APIRouter, Depends

from gateway.routes.admin import (
    activity,
    api_keys,
    call_sites,
    changes,
    decisions,
    evals,
    evaluation,
    experiments,
    health,
    models,
    reload,
    routers,
    savings,
    stats,
)
from gateway.routes.admin.calls import ERRORS
from gateway.routes.authentication import BEARER

router = APIRouter(dependencies=[Depends(BEARER)], responses=ERRORS)
for part in (
    routers,
    call_sites,
    api_keys,
    evals,
    models,
    decisions,
    evaluation,
    experiments,
    stats,
    savings,
    activity,
    changes,
    health,
    reload,
):
    router.include_router(part.router)
