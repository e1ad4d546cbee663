"""How much of the wait for answers was the gateway's own."""

from gateway.management.activity_views import PLACES
from gateway.management.context import Management
from storage.calendar import DAY, HOUR
from storage.stores.activity import Activity, ActivityFilter, Buckets


def own_seconds(management: Management) -> float | None:
    """Mean seconds per request, of the last day, that were not spent waiting for a provider; None: no requests."""
    until = int(management.now // HOUR + 1) * HOUR
    of = ActivityFilter(management.router_ids)
    counts = Activity(management.database).total(Buckets(HOUR, HOUR, until - DAY, until), of)
    requests = counts[PLACES["requests"]]
    return counts[PLACES["overhead_seconds"]] / requests if requests else None
