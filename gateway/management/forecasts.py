"""What was expected of a change, beside what then happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.management.changes import ChangeView
from gateway.management.context import Management
from storage.activity import COUNTS, KEPT_SECONDS
from storage.calendar import DAY, HOUR
from storage.stores.activity import Activity, ActivityFilter, Buckets

FIRST_SECONDS = DAY
"""Before this has passed there is nothing to compare."""
LAST_SECONDS = 7 * DAY
"""What happens later is compared no more: the world has moved on."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Means per request since a change, as a forecast has them: a request without an answer has quality 0."""

    requests: int
    means: Mapping[str, float]


def happened_after(management: Management, change: ChangeView) -> Happened | None:
    """What happened in the router in the week after a change; None in the first day, and if it was undone."""
    if change.reverted_by is not None or management.now - change.at < FIRST_SECONDS:
        return None
    width = HOUR if management.now - change.at < KEPT_SECONDS[HOUR] - LAST_SECONDS else DAY
    since = int(-(-change.at // width) * width)
    until = int(min(management.now, change.at + LAST_SECONDS) // width * width)
    buckets = Buckets(width, width, since, until)
    counts = Activity(management.database).total(buckets, ActivityFilter(router_ids=[change.target]))
    total: dict[str, Any] = dict(zip(COUNTS, counts, strict=True))
    requests, answered, scored = total["requests"], total["answered"], total["scored"]
    if not requests:
        return None
    means = {"cost_usd": total["cost_usd"] / requests}
    if answered:
        means["seconds"] = total["seconds"] / answered
    if scored:
        means["quality"] = total["score"] / scored * answered / requests
    return Happened(requests, means)
