"""The first page: what was saved, and what needs somebody; before the first request, how to send one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from bandit.quick import quick_dataclass
from bandit.types import Epoch
from gateway.dashboard.formats import short_day
from gateway.dashboard.savings_charts import spark
from gateway.dashboard.views.health import FindingRow, findings_page
from gateway.dashboard.views.saved import Saved, SavedRow, saved, saved_row
from gateway.dashboard.visit import Visit
from gateway.management.activity import ActivityQuestion, overview, summaries
from gateway.management.activity_views import ActivityView, OverviewView
from gateway.management.activity_window import Window
from gateway.management.context import Management
from gateway.management.routers import RouterView, router_view, visible_routers
from gateway.management.savings import BestSaving, best_savings, savings_of
from gateway.management.savings_views import SavingsView
from storage.calendar import DAY, HOUR, start_of
from storage.records import RouterRecord

PERIODS = (1, 7, 30, 90)
USUAL_DAYS = 30
MOST_FINDINGS = 5
FEW_REQUESTS = 20
MOST_COMPARED = 6
"""Routers whose savings are computed for the table: the busiest. It takes some milliseconds each."""


@quick_dataclass(frozen=True, slots=True)
class RouterRow:
    """A router with what it did in the period. `state` says how many of its models can't be used, if not all can.

    `saved` and `activity` are None for a router that is not among the busiest.
    """

    router: RouterRecord
    requests: int
    cost_usd: float
    state: str
    is_healthy: bool
    saved: SavedRow | None = None
    activity: ActivityView | None = None


@quick_dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test request. `id` is the completion's, empty if there is none."""

    id: str
    model: str
    text: str
    problem: str


@quick_dataclass(frozen=True, slots=True)
class Tiles:
    """One router's figures of the period beside those of the time before, each with its course over the days."""

    summary: ActivityView
    more_requests: float | None
    requests: Markup
    cost: Markup
    wait: Markup
    score: Markup


@quick_dataclass(frozen=True, slots=True)
class OverviewPage:
    """All routers, and findings that need somebody. `first` is the router of the first steps, if nothing has come.

    `saved` and `tiles` are of the router `chosen`; None if it had no request. `unscored` is that router, if it had only
    a few, of which none has a score yet.
    """

    rows: Sequence[RouterRow]
    days: int
    periods: Sequence[int]
    baseline: str
    requests: int
    chosen: RouterView | None
    saved: Saved | None
    tiles: Tiles | None
    needs: Sequence[FindingRow]
    first: RouterView | None
    unscored: RouterView | None
    may_try: bool
    tried: Tried | None = None


def overview_page(
    visit: Visit,
    tried: Tried | None = None,
    *,
    router_id: str | None = None,
    days: int = USUAL_DAYS,
    baseline: str = "",
) -> OverviewPage:
    """The page, of the last UTC days: of the router that is asked for, or of the one with the most requests.

    `baseline` is the model to compare with; the best single one if the router has no such model.
    """
    with visit.management.database.sharing_reads():
        return _page(visit, tried, router_id, days, baseline)


def _page(visit: Visit, tried: Tried | None, router_id: str | None, days: int, baseline: str) -> OverviewPage:
    management = visit.management
    since = Epoch(max(management.now - (days - 1) * DAY, 0.0))
    spent = visit.services.ledger.spent_by_router(since)
    records = {record.id: record for record in visible_routers(management)}
    rows = [_row(visit, router, *spent.get(router.id, (0, 0.0))) for router in records.values()]
    requests = sum(row.requests for row in rows)
    needs = [each for each in findings_page(visit).findings if each.severity in {"bad", "warn"}]
    asked = [row for row in rows if row.router.id == router_id]
    busiest = max(asked or rows, key=lambda row: row.requests, default=None)
    chosen = None if busiest is None else router_view(busiest.router, management.base_url)
    activity = hero = None
    against = baseline if chosen is not None and baseline in chosen.enabled_models else ""
    if busiest is not None and chosen is not None and busiest.requests:
        compared = sorted((row for row in rows if row.requests), key=lambda row: -row.requests)[:MOST_COMPARED]
        period = _Period(management, days, records)
        activity = period.course(chosen.id, DAY if days > 1 else HOUR)
        view = period.savings(chosen.id, against or None)
        hero = saved(view, [model.id for model in chosen.models], [short_day(each.at) for each in view.days])
        known = {} if against else {chosen.id: BestSaving.of(view)}
        rows = _compared(period, [row.router.id for row in compared], rows, known)
    return OverviewPage(
        rows=rows,
        days=days,
        periods=PERIODS,
        baseline=against,
        requests=requests,
        chosen=chosen,
        saved=hero,
        tiles=None if activity is None else _tiles(activity),
        needs=needs[:MOST_FINDINGS],
        first=router_view(rows[0].router, management.base_url)
        if rows and (requests == 0 or tried is not None)
        else None,
        unscored=chosen if activity is not None and _is_unscored(activity.summary) else None,
        may_try="routing" in visit.key.scopes,
        tried=tried,
    )


def window_of(management: Management, days: int) -> tuple[str, str]:
    """From when to when the last UTC days go."""
    # At midnight the window of today would be empty.
    first = start_of(DAY, Epoch(management.now - 1.0)) - (days - 1) * DAY
    return str(max(first, 0)), str(management.now)


def _is_unscored(summary: ActivityView) -> bool:
    return 0 < summary.answered == summary.requests <= FEW_REQUESTS and not summary.scored


def _tiles(view: OverviewView) -> Tiles:
    before = view.previous
    return Tiles(
        summary=view.summary,
        more_requests=None if before is None or not before.requests else view.summary.requests / before.requests - 1.0,
        requests=spark([float(each.requests) for each in view.series]),
        cost=spark([each.cost_usd for each in view.series]),
        wait=spark([each.seconds.p50 for each in view.series]),
        score=spark([each.mean_score for each in view.series]),
    )


class _Period:
    """What routers did in the last UTC days."""

    def __init__(self, management: Management, days: int, records: Mapping[str, RouterRecord]) -> None:
        self._management = management
        self._records = records
        self._from, self._to = window_of(management, days)

    def savings(self, router_id: str, baseline: str | None) -> SavingsView:
        """What one router saved."""
        return savings_of(self._management, self._records[router_id], self._from, self._to, baseline)

    def saved(self, router_ids: Sequence[str]) -> dict[str, BestSaving]:
        """What each of some routers saved against its best single model."""
        return best_savings(self._management, [self._records[id_] for id_ in router_ids], self._from, self._to)

    def course(self, router_id: str, bucket_seconds: int) -> OverviewView:
        """One router's activity in buckets, beside the time before."""
        window = Window(from_=self._from, to=self._to, bucket_seconds=bucket_seconds)
        return overview(self._management, window, ActivityQuestion(router_id=router_id))

    def sums(self, router_ids: Sequence[str]) -> dict[str, ActivityView]:
        """The activity of each of some routers."""
        return summaries(self._management, Window(from_=self._from, to=self._to, bucket_seconds=DAY), router_ids)


def _compared(
    period: _Period, busiest: Sequence[str], rows: Sequence[RouterRow], known: Mapping[str, BestSaving]
) -> list[RouterRow]:
    """The rows, the busiest of them with what they saved, and with waits and scores.

    `known` are savings that need not be computed again.
    """
    sums = period.sums(busiest)
    best = {**known, **period.saved([id_ for id_ in busiest if id_ not in known])}
    return [
        replace(row, saved=saved_row(best[row.router.id]), activity=sums.get(row.router.id))
        if row.router.id in best
        else row
        for row in rows
    ]


def _state(usable: int, enabled: int) -> str:
    if usable == enabled:
        return "healthy" if enabled else "no model"
    return "no model can be used" if usable == 0 else f"{enabled - usable} of {enabled} models away"


def _row(visit: Visit, router: RouterRecord, requests: int, cost_usd: float) -> RouterRow:
    enabled = [model.arm_id for model in router.models if model.enabled]
    usable = [each for each in enabled if each not in visit.standing.unavailable_arms]
    return RouterRow(
        router=router,
        requests=requests,
        cost_usd=cost_usd,
        state=_state(len(usable), len(enabled)),
        is_healthy=len(usable) == len(enabled),
    )
