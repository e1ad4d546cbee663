"""Activity over time: requests, ends, waits, tokens, dollars and scores, by bucket, model and API key."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

from pydantic import BaseModel

from gateway.errors import BadRequest, InsufficientScope
from gateway.management.activity_views import (
    PLACES,
    STATUSES,
    ActivityView,
    FilterOptionsView,
    KeyActivityView,
    KeysActivityView,
    ModelActivityView,
    ModelsActivityView,
    NamedOption,
    OverviewView,
    UsageBucketView,
    fields_of,
    series_of,
    total,
    view_of,
)
from gateway.management.activity_window import BUCKETS, Window, buckets_of
from gateway.management.context import Management
from gateway.tasks.classifier import TASK_NAMES
from storage.activity import KEPT_SECONDS
from storage.calendar import DAY, HOUR, MINUTE
from storage.stores.activity import Activity, ActivityFilter, Buckets
from storage.stores.keys import Keys
from storage.stores.routers import Routers
from storage.stores.tasks import Tasks

MOST_ROUTER_HOURS = 6_000
"""Hours of each router that one question may sum: each is a cell per model and class."""

MOST_SERIES = 50
"""Keys whose buckets are told."""

MOST_HOURS_OF_KEYS = 6
"""Of all keys the minutes of so many hours may be summed."""

LONG_SECONDS = 6 * HOUR
"""Before windows of this length and longer the time before is summed by the hour."""


class ActivityQuestion(BaseModel):
    """What is asked for. None: all of them."""

    router_id: str | None = None
    model: tuple[str, ...] = ()
    provider: str | None = None
    task: str | None = None
    status: str | None = None


def overview(management: Management, window: Window, question: ActivityQuestion) -> OverviewView:
    """Sum activity per bucket. Raises BadRequest, NotFound."""
    buckets, of = _asked(management, window, question)
    shown = _columns(question.status)
    store = management.activity
    found = store.sums(buckets, of)
    length = buckets.until - buckets.since
    before = Buckets(buckets.width, buckets.seconds, buckets.since - length, buckets.since)
    if before.width == MINUTE and length >= LONG_SECONDS:  # hours are fewer cells
        first, last = (at // HOUR * HOUR for at in (before.since, before.until))
        before = Buckets(HOUR, HOUR, first, last)
    kept = before.since >= management.now - KEPT_SECONDS.get(buckets.width, float("inf"))
    previous = store.total(before, of) if kept else None
    return OverviewView(
        from_at=buckets.since,
        to_at=buckets.until,
        bucket_seconds=buckets.seconds,
        summary=view_of(total(each.counts for each in found), shown),
        previous=None if previous is None else view_of(previous, shown),
        series=series_of(found, shown),
    )


def summaries(management: Management, window: Window, router_ids: Sequence[str]) -> dict[str, ActivityView]:
    """Sum the activity of each of some routers that the actor may see; those without any are left out.

    Raises BadRequest.
    """
    totals = Activity(management.database).totals(buckets_of(window, management.now), router_ids)
    return {router_id: view_of(counts, ("requests",)) for router_id, counts in totals.items()}


def of_models(management: Management, window: Window, question: ActivityQuestion) -> ModelsActivityView:
    """Sum activity per model and bucket. Raises BadRequest, NotFound."""
    buckets, of = _asked(management, window, question)
    shown = _columns(question.status)
    rows = sorted(management.activity.sums(buckets, of, by_model=True), key=lambda each: each.model_id)
    by_model = {model_id: list(own) for model_id, own in groupby(rows, key=lambda each: each.model_id)}
    totals = {model_id: total(each.counts for each in own) for model_id, own in by_model.items()}
    drawn = sum(counts[PLACES["requests"]] for counts in totals.values())
    views = [
        ModelActivityView(
            **fields_of(totals[model_id], shown),
            model=model_id,
            share=totals[model_id][PLACES["requests"]] / drawn if drawn else 0.0,
            series=series_of(own, shown),
        )
        for model_id, own in by_model.items()
    ]
    return ModelsActivityView(
        from_at=buckets.since,
        to_at=buckets.until,
        bucket_seconds=buckets.seconds,
        models=sorted(views, key=lambda view: (-view.requests, view.model)),
    )


def of_keys(management: Management, window: Window, key_ids: Sequence[str]) -> KeysActivityView:
    """Sum what keys have used: of these keys, or of all; per bucket of those that spent most.

    Raises BadRequest, InsufficientScope.
    """
    if management.router_ids is not None:
        raise InsufficientScope("this API key is for some routers, and usage is kept of all together")
    buckets = _buckets_of_keys(window, management.now, named=bool(key_ids))
    store, labels = Activity(management.database), {key[0]: key[1] for key in Keys(management.database).labels()}
    totals = store.total_of_keys(buckets, key_ids or None)
    ordered = sorted(totals, key=lambda key_id: (-totals[key_id].cost_usd, key_id))
    series: dict[str, list[UsageBucketView]] = defaultdict(list)
    for at, key_id, used in store.of_keys(buckets, ordered[:MOST_SERIES]):
        series[key_id].append(
            UsageBucketView(at=at, requests=used.requests, tokens=used.tokens, cost_usd=used.cost_usd)
        )
    return KeysActivityView(
        from_at=buckets.since,
        to_at=buckets.until,
        bucket_seconds=buckets.seconds,
        keys=[
            KeyActivityView(
                api_key_id=key_id,
                label=labels.get(key_id),
                **totals[key_id]._asdict(),
                series=series.get(key_id, []),
            )
            for key_id in ordered
        ],
    )


def _buckets_of_keys(window: Window, now: float, *, named: bool) -> Buckets:
    """The buckets that are asked for; minutes of all keys for some hours alone. Raises BadRequest."""
    buckets = buckets_of(window, now, by_task=False, widths=(MINUTE, DAY))
    if buckets.width == DAY or named or buckets.until - buckets.since <= MOST_HOURS_OF_KEYS * HOUR:
        return buckets
    if window.bucket_seconds is None:
        return buckets_of(window, now, by_task=False, widths=(DAY,))
    raise BadRequest(
        f"of all API keys together, buckets of less than a day are told for up to {MOST_HOURS_OF_KEYS} hours: name "
        "some with `api_key_id`, or take longer buckets",
        param="bucket_seconds",
    )


def filter_options(management: Management) -> FilterOptionsView:
    """What activity can be filtered by, as things are configured."""
    records = [record for record in Routers(management.database).all() if management.sees(record.id)]
    models = sorted({model.arm_id for record in records for model in record.models})
    keys = Keys(management.database).labels() if management.router_ids is None else []
    ids = {record.id for record in records}
    stated = {task for named in Tasks(management.database).of(ids).values() for task in named}
    return FilterOptionsView(
        routers=[NamedOption(id=record.id, name=record.name) for record in records],
        api_keys=[NamedOption(id=key_id, name=label) for key_id, label, _ in keys],
        models=models,
        providers=sorted({model.partition("/")[0] for model in models}),
        tasks=sorted(stated | set(TASK_NAMES)),
        statuses=list(STATUSES),
        bucket_seconds=list(BUCKETS),
    )


def _asked(management: Management, window: Window, question: ActivityQuestion) -> tuple[Buckets, ActivityFilter]:
    """The buckets and the cells that are asked for. Raises BadRequest if they are too many, NotFound."""
    buckets, of = buckets_of(window, management.now, by_task=question.task is not None), _filter(management, question)
    if buckets.width == HOUR:
        count = len(Routers(management.database).names()) if of.router_ids is None else len(of.router_ids)
        if count * (buckets.until - buckets.since) > MOST_ROUTER_HOURS * HOUR:
            raise BadRequest(
                f"classes and buckets of less than a day are told for up to {MOST_ROUTER_HOURS // count} hours of "
                f"{count} routers together: name one with `router_id`, or take longer buckets",
                param="bucket_seconds" if question.task is None else "task",
            )
    return buckets, of


def _filter(management: Management, question: ActivityQuestion) -> ActivityFilter:
    router_ids = management.router_ids
    if question.router_id is not None:
        management.existing_router(question.router_id)
        router_ids = (question.router_id,)
    return ActivityFilter(router_ids, question.model or None, question.provider, question.task)


def _columns(status: str | None) -> tuple[str, ...]:
    """The columns that count as requests."""
    if status is None:
        return ("requests",)
    if status not in STATUSES:
        raise BadRequest(f"`status` must be one of {', '.join(STATUSES)}, not {status[:40]!r}", param="status")
    return STATUSES[status]
