"""/routers/{id}: one router's beliefs, shares and spend."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from bandit.statistics import ANY_TASK
from bandit.types import Epoch
from gateway.dashboard.events import ROUTER
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.decisions import task_shown
from gateway.dashboard.views.router import router_page
from gateway.dashboard.visit import Reader
from gateway.management.shares import task_shares
from gateway.management.stats import router_stats
from storage.calendar import DAY, start_of

PERIODS = (1, 7, 30)
"""Whole UTC days that a page may count."""

router = page_router()


@router.get("/routers/{router_id}")
async def router_overview(
    request: Request,
    visit: Reader,
    router_id: str,
    days: Annotated[int, Query(ge=1, le=366)] = 7,
    task: Annotated[str, Query(max_length=64)] = ANY_TASK,
) -> Response:
    """Whom the router chooses, and what it believes of its models."""
    management, services = visit.management, visit.services
    live = services.routers.get(router_id) if management.sees(router_id) else None
    if live is None:  # one whose settings can't be read is mended on their page
        existing = await run_in_threadpool(management.existing_router, router_id)
        return see_other(request, f"/routers/{existing.id}/settings")
    now = Epoch(management.now)
    since = Epoch(max(now - (days - 1) * DAY, 0.0))
    traffic = await run_in_threadpool(services.ledger.traffic, router_id, since)
    judging = await run_in_threadpool(services.ledger.judging, router_id, since)
    by_task = await run_in_threadpool(task_shares, management, router_id, start_of(DAY, since))
    standing = visit.standing
    stats = router_stats(live, traffic, judging, by_task, standing.states, now, standing.loop_time, since, task or None)
    tasks = {task: task_shown(task, live.tasks.called) for task in live.tasks.known() if task != ANY_TASK}

    def rendered() -> Response:
        page = router_page(management, router_id, stats, visit.standing.unavailable_arms, tasks, days)
        frame = frame_of(visit, "router", router_id=router_id, topics=(f"{ROUTER}{router_id}",))
        return render(request, "router.html", frame, page)

    return await run_in_threadpool(rendered)
