"""Where the calls of Dari's command line are, and what they have in common."""

from fastapi import APIRouter

from gateway.routes.admin.calls import api_router
from gateway.routes.admin.idempotency import IdempotentRoute

PREFIX = "/v1/organizations/current"


def organization_router(path: str = "") -> APIRouter:
    """A router of calls at this path of the organization."""
    return api_router(PREFIX + path, "Dari's shapes", IdempotentRoute)
