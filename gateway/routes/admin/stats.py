"""/admin/routers/{id}/stats: spend, shares and beliefs."""

import asyncio
from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool

from bandit.types import Epoch, LoopTime
from gateway.errors import NotFound
from gateway.management.shares import task_shares
from gateway.management.stats import StatsView, router_stats
from gateway.routes.admin.calls import Days, Reader, api_router
from gateway.routes.services import services_of
from storage.calendar import DAY

router = api_router("/admin", "routers")


@router.get("/routers/{router_id}/stats", response_model=StatsView)
async def get_stats(
    request: Request,
    management: Reader,
    router_id: str,
    days: Days = 30.0,
    task: Annotated[str | None, Query(max_length=64, description="A class of requests; default: none stated.")] = None,
) -> StatsView:
    """Whom a router chooses, what it believes of its models (90 % intervals), and its spend on whole UTC days."""
    services = services_of(request)
    live = services.routers.get(router_id) if management.sees(router_id) else None
    if live is None:
        raise NotFound(f"there is no router {router_id[:80]!r}", code="router_not_found")
    now = Epoch(management.now)
    since = Epoch(max(now - days * DAY, 0.0))
    traffic = await run_in_threadpool(services.ledger.traffic, router_id, since)
    judging = await run_in_threadpool(services.ledger.judging, router_id, since)
    tasks = await run_in_threadpool(task_shares, management, router_id, since)
    loop_time = LoopTime(asyncio.get_running_loop().time())
    states = services.model_states.cooldowns.states()
    return router_stats(live, traffic, judging, tasks, states, now, loop_time, since, task)
