"""/admin/routers/{router_id}/call_sites: list and rename call sites."""

from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict

from gateway.management.call_sites import CallSiteView, list_call_sites, rename_call_site
from gateway.routes.admin.calls import Administrator, Listed, Reader, api_router
from gateway.routes.admin.idempotency import IdempotentRoute

router = api_router("/admin", "routers", IdempotentRoute)


class CallSiteName(BaseModel):
    """What a call site is to be called, in 1 to 64 characters; no other class of the router has the name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str


@router.get("/routers/{router_id}/call_sites")
def get_call_sites(management: Reader, router_id: str) -> Listed[CallSiteView]:
    """The call sites that are classes of a router's statistics."""
    return Listed(data=list_call_sites(management, router_id))


@router.patch("/routers/{router_id}/call_sites/{call_site_id}")
def patch_call_site(
    management: Administrator, router_id: str, call_site_id: str, body: Annotated[CallSiteName, Body()]
) -> CallSiteView:
    """Rename a call site. What was learned of it stays."""
    return rename_call_site(management, router_id, call_site_id, body.name)
