"""/v1/organizations/current: the management API in the shapes that Dari's command line speaks.

Thin: each call is one of `gateway.management`, with its names, times and dollars translated.
"""

from fastapi import APIRouter

from gateway.routes.joining import join
from gateway.routes.organizations import activity, api_keys, evals, routers

router = APIRouter()
join(router, (part.router for part in (routers, evals, api_keys, activity)))
