"""/admin: the management API. Scope `admin`; `read` for every GET."""

from fastapi import APIRouter, Depends

from gateway.routes.admin import api_keys, changes, decisions, evals, models, reload, routers, stats
from gateway.routes.admin.calls import BEARER, ERRORS

router = APIRouter(dependencies=[Depends(BEARER)], responses=ERRORS)
for part in (routers, api_keys, evals, models, decisions, stats, changes, reload):
    router.include_router(part.router)
