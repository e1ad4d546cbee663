"""The first page: what the routers do and what needs somebody; before the first request, how to send one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandit.types import Epoch
from gateway.dashboard.views.health import FindingRow, health_page
from gateway.dashboard.visit import Visit
from gateway.management.routers import RouterView, list_routers
from storage.activity import Traffic
from storage.calendar import DAY

DAYS = 7
MOST_FINDINGS = 5


@dataclass(frozen=True, slots=True)
class RouterRow:
    """A router with what it did in the period. `models` says how many of its models can be used."""

    router: RouterView
    requests: int
    answered: int
    cost_usd: float
    favourite: str
    share: float
    models: str
    is_healthy: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test request. `id` is the completion's, empty if there is none."""

    id: str
    model: str
    text: str
    problem: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """All routers, and findings that need somebody. `first` is the router of the first steps, if nothing has come."""

    rows: Sequence[RouterRow]
    days: int
    requests: int
    answered: int
    cost_usd: float
    needs: Sequence[FindingRow]
    first: RouterView | None
    may_try: bool
    tried: Tried | None = None


def overview_page(visit: Visit, tried: Tried | None = None) -> OverviewPage:
    """The page, of the last seven UTC days."""
    management = visit.management
    since = Epoch(management.now - (DAYS - 1) * DAY)
    traffic = visit.services.ledger.traffic_of_all(since)
    rows = [_row(visit, router, traffic.get(router.id, {})) for router in list_routers(management)]
    requests = sum(row.requests for row in rows)
    needs = [each for each in health_page(visit).findings if each.severity in {"bad", "warn"}]
    return OverviewPage(
        rows=rows,
        days=DAYS,
        requests=requests,
        answered=sum(row.answered for row in rows),
        cost_usd=sum(row.cost_usd for row in rows),
        needs=needs[:MOST_FINDINGS],
        first=rows[0].router if rows and (requests == 0 or tried is not None) else None,
        may_try="routing" in visit.key.scopes,
        tried=tried,
    )


def _row(visit: Visit, router: RouterView, traffic: Mapping[str, Traffic]) -> RouterRow:
    drawn = sum(each.drawn for each in traffic.values())
    favourite = max(traffic, key=lambda model_id: traffic[model_id].drawn, default="")
    usable = [each for each in router.enabled_models if each not in visit.standing.unavailable]
    return RouterRow(
        router=router,
        requests=drawn,
        answered=sum(each.answered for each in traffic.values()),
        cost_usd=sum(each.cost_usd for each in traffic.values()),
        favourite=favourite if drawn else "",
        share=traffic[favourite].drawn / drawn if drawn else 0.0,
        models=f"{len(usable)} of {len(router.enabled_models)} models",
        is_healthy=len(usable) == len(router.enabled_models),
    )
