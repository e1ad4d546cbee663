"""/admin/routers/{id}/savings: what a router saved, against always one of its models."""

from typing import Annotated

from fastapi import Query

from gateway.management.savings import savings
from gateway.management.savings_views import SavingsView
from gateway.routes.admin.calls import Reader, api_router

router = api_router("/admin", "routers")


@router.get("/routers/{router_id}/savings")
def get_savings(
    management: Reader,
    router_id: str,
    from_: Annotated[
        str | None,
        Query(
            alias="from",
            max_length=40,
            description="Seconds since the epoch or RFC 3339; whole UTC days are taken. Default: 30 days before `to`.",
        ),
    ] = None,
    to: Annotated[
        str | None, Query(max_length=40, description="Seconds since the epoch, or RFC 3339. Default: now.")
    ] = None,
    baseline: Annotated[
        str | None, Query(max_length=200, description="A model of the router. Default: the best single one.")
    ] = None,
) -> SavingsView:
    """What a router spent and gained, against always one of its models, with 95 % intervals."""
    return savings(management, router_id, from_, to, baseline)
