"""/admin: the management API. Scope `admin`; `read` for every GET."""

from fastapi import APIRouter

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
from gateway.routes.joining import join

router = APIRouter()
PARTS = (
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
)
join(router, (part.router for part in PARTS))
