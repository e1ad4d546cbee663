"""/v1/organizations/current: the management API in the shapes that Dari's command line speaks.

Thin: each call is one of `gateway.management`, with its names, times and dollars translated.
"""

from fastapi import APIRouter, Depends

from gateway.routes.admin.calls import ERRORS
from gateway.routes.authentication import BEARER
from gateway.routes.organizations import activity, api_keys, evals, routers

PREFIX = "/v1/organizations/current"

router = APIRouter(prefix=PREFIX, dependencies=[Depends(BEARER)], responses=ERRORS, tags=["Dari's shapes"])
for part in (routers, evals, api_keys, activity):
    router.include_router(part.router)
