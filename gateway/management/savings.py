"""Savings: what a router spent and gained, against always one of its models, with 95% intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor

from bandit.ope.estimates import SMALLEST_EFFECTIVE_SIZE, Estimate
from bandit.ope.savings import (
    Actual,
    Always,
    Daily,
    Evidence,
    actual_of,
    always,
    best_fixed,
    daily_costs,
    evidence_of,
)
from bandit.ope.sums import Sums
from bandit.types import Objective
from gateway.errors import BadRequest
from gateway.management.activity_views import PLACES
from gateway.management.activity_window import instant
from gateway.management.context import Management
from gateway.management.routers import ObjectiveView
from gateway.management.savings_views import (
    IN_HINDSIGHT,
    NO_SCORES,
    RANDOM_SCORES,
    ActualView,
    EstimateView,
    FixedView,
    SavingsDayView,
    SavingsView,
)
from gateway.routing.objectives import kept_dollars, preset_for
from gateway.settings.router_options import RouterOptions
from storage.calendar import DAY
from storage.fixed_sums import SUMS
from storage.records import RouterRecord
from storage.stores.activity import Activity, ActivityFilter, Buckets
from storage.stores.fixed_sums import FixedSumsStore

USUAL_DAYS = 30
MOST_DAYS = 3_660


@dataclass(frozen=True, slots=True)
class BestSaving:
    """What a router saved against its best single model, `baseline`; None: it can't be told yet.

    `more_days`: after how many days more there will be enough evidence, as things go.
    """

    baseline: str | None
    saved_usd: EstimateView | None
    more_days: float | None

    @classmethod
    def of(cls, view: SavingsView) -> "BestSaving":
        """Of savings against the best single model."""
        return cls(view.baseline, view.saved_usd, _soonest(view.fixed))


def savings(
    management: Management,
    router_id: str,
    from_: str | None = None,
    to: str | None = None,
    baseline: str | None = None,
) -> SavingsView:
    """Compare a router with always one of its models. Raises NotFound, BadRequest."""
    return savings_of(management, management.existing_router(router_id), from_, to, baseline)


def savings_of(
    management: Management,
    record: RouterRecord,
    from_: str | None,
    to: str | None,
    baseline: str | None,
) -> SavingsView:
    """The same of a router that was read already. Raises BadRequest."""
    router_id = record.id
    models = [model.arm_id for model in record.models if model.enabled or model.arm_id == baseline]
    if baseline is not None and baseline not in models:
        told = ", ".join(models) or "none"
        raise BadRequest(f"`baseline` must be a model of {router_id}: {told}; not {baseline[:80]!r}", param="baseline")
    first, until = _days(from_, to, management.now)
    objective = _objective(management, record)
    cells, days = FixedSumsStore(management.database).read(router_id, first, until)
    sums = Sums.of(SUMS, cells)
    told_of = {model: always(sums, model, objective) for model in models}
    chosen = told_of.get(baseline) if baseline is not None else _best(told_of)
    own = actual_of(sums) if cells else None
    activity = Activity(management.database)
    buckets = Buckets(DAY, DAY * days, first * DAY, until * DAY)
    spent = activity.sums(buckets, ActivityFilter(router_ids=(router_id,)))
    total = {name: sum(each.counts[PLACES[name]] for each in spent) for name in ("requests", "redrawn", "cost_usd")}
    return SavingsView(
        router_id=router_id,
        from_at=first * DAY,
        to_at=until * DAY,
        bucket_seconds=DAY * days,
        objective=ObjectiveView(
            quality_usd=objective.quality_usd, second_usd=objective.second_usd, failure_usd=objective.failure_usd
        ),
        requests=int(total["requests"]),
        used=0 if own is None else round(own.requests),
        redrawn=int(total["redrawn"]),
        spent_usd=float(total["cost_usd"]),
        covered=None if chosen is None else chosen.covered,
        actual=None if own is None else _actual(own),
        baseline=None if chosen is None else chosen.model_id,
        baseline_is=None if chosen is None else "best_fixed" if baseline is None else "chosen",
        saved_usd=None if chosen is None else _estimate(chosen.saved_usd),
        fixed=[_fixed(told, objective, _elapsed(sums, until, management.now)) for told in told_of.values()],
        days=_daily(
            {int(each.at): each.counts[PLACES["cost_usd"]] for each in spent},
            daily_costs(sums, chosen.model_id) if chosen is not None and chosen.cost_usd is not None else (),
        ),
        notes=_notes(own, chosen, objective, int(total["requests"]), chosen_by_us=baseline is None),
    )


def best_savings(management: Management, records: Sequence[RouterRecord], from_: str, to: str) -> dict[str, BestSaving]:
    """The same of several routers in short, by router, with a fraction of the work. Raises BadRequest."""
    first, until = _days(from_, to, management.now)
    cells = FixedSumsStore(management.database).read_each([record.id for record in records], first, until)
    return {record.id: _in_short(management, record, Sums.of(SUMS, cells[record.id]), until) for record in records}


def _in_short(management: Management, record: RouterRecord, sums: Sums, until: int) -> BestSaving:
    objective = _objective(management, record)
    models = [model.arm_id for model in record.models if model.enabled]
    best = best_fixed(sums, models, objective)
    if best is not None:
        return BestSaving(best[0], _estimate(best[1]), None)
    elapsed = _elapsed(sums, until, management.now)
    return BestSaving(
        None, None, _soonest(_fixed(always(sums, model, objective), objective, elapsed) for model in models)
    )


def _soonest(fixed: Iterable[FixedView]) -> float | None:
    """After how many days there will be enough evidence of one more model."""
    return min((each.more_days for each in fixed if each.more_days is not None), default=None)


def _elapsed(sums: Sums, until: int, now: float) -> float:
    """Days since the first that has sums."""
    return max(min(until * DAY, now) / DAY - min(sums.days), 0.0) if sums.days else 0.0


def _objective(management: Management, record: RouterRecord) -> Objective:
    """What the router values today, in dollars."""
    wanted = RouterOptions.readable(record.settings).objective
    if isinstance(wanted, Objective):
        return wanted
    return kept_dollars(record) or preset_for(wanted, record.models, management.catalog())


def _days(from_: str | None, to: str | None, now: float) -> tuple[int, int]:
    """The first day, and the one before which the window ends: whole UTC days. Raises BadRequest."""
    end = instant(to, "to", now)
    start = instant(from_, "from", max(end - USUAL_DAYS * DAY, 0.0))
    if not start < end:
        raise BadRequest("`from` must be before `to`", param="from")
    first, until = int(start // DAY), -int(-end // DAY)
    if until - first > MOST_DAYS:
        raise BadRequest(f"from `from` to `to` are {until - first} days: {MOST_DAYS} are allowed", param="from")
    return first, until


def _best(told_of: dict[str, Always]) -> Always | None:
    """The model with the largest estimated worth, of those that are known well enough."""
    known = [(told.worth_usd, told) for told in told_of.values() if told.worth_usd is not None]
    return max(known, key=lambda each: each[0])[1] if known else None


def _fixed(told: Always, objective: Objective, days: float) -> FixedView:
    scores_count = objective.quality_usd > 0.0
    size = min(told.effective_size, told.quality_size) if scores_count else told.effective_size
    evidence = evidence_of(size)
    refused = more_days = None
    if evidence is Evidence.NONE:
        what = "scored requests" if scores_count and told.quality_size < told.effective_size else "requests"
        refused = (
            f"as good as {floor(size)} {what} sent there at random; {SMALLEST_EFFECTIVE_SIZE:.0f} are needed to compare"
        )
        more_days = (SMALLEST_EFFECTIVE_SIZE - size) * days / size if size > 0.0 else None
    return FixedView(
        model=told.model_id,
        covered=told.covered,
        actual=_actual(told.actual),
        cost_usd=_estimate(told.cost_usd),
        quality=_estimate(told.quality),
        seconds=_estimate(told.seconds),
        success=_estimate(told.success),
        saved_usd=_estimate(told.saved_usd),
        worth_difference_usd=_estimate(told.worth_difference_usd),
        effective_size=size,
        evidence=evidence.value,
        refused=refused,
        more_days=more_days,
    )


def _daily(spent: dict[int, float], always_usd: Sequence[Daily]) -> list[SavingsDayView]:
    """Each bucket's dollars. With the baseline, what is not compared would have cost what it did."""
    compared = {each.day * DAY: each for each in always_usd}
    views: list[SavingsDayView] = []
    for at, usd in sorted(spent.items()):
        own = compared.get(at)
        estimate = None
        if own is not None:
            rest = usd - own.cost_usd
            means = (own.always_usd.mean, own.always_usd.low, own.always_usd.high)
            mean, low, high = (each + rest for each in means)
            estimate = EstimateView(mean=mean, low=low, high=high)
        views.append(SavingsDayView(at=at, spent_usd=usd, baseline_usd=estimate))
    return views


def _notes(
    own: Actual | None, chosen: Always | None, objective: Objective, requests: int, *, chosen_by_us: bool
) -> list[str]:
    notes: list[str] = []
    if own is not None and own.quality is not None:
        notes.append(RANDOM_SCORES)
    if chosen is not None and chosen_by_us:
        notes.append(IN_HINDSIGHT)
    if chosen is None and own is not None and own.quality is None and objective.quality_usd > 0.0:
        notes.append(NO_SCORES)
    left_out = requests - (0 if own is None else round(own.requests))
    if left_out > 0:
        notes.append(
            f"{left_out:,} requests are not compared, because no model was drawn at random for them (a conversation "
            "kept its model, or there was one alone), or their call's end says nothing about the model. What they cost "
            "is in `spent_usd`."
        )
    if chosen is not None and chosen.covered < 1.0 - 1e-9:
        notes.append(
            f"{chosen.model_id} could not be drawn on some days or for some classes: {chosen.covered:.0%} of the "
            "requests are compared with it."
        )
    return notes


def _actual(own: Actual) -> ActualView:
    return ActualView(cost_usd=own.cost_usd, quality=own.quality, seconds=own.seconds, success=own.success)


def _estimate(estimate: Estimate | None) -> EstimateView | None:
    return None if estimate is None else EstimateView(mean=estimate.mean, low=estimate.low, high=estimate.high)
