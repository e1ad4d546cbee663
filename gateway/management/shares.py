"""Whom a router chose: first draws per class, and over time."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from pydantic import BaseModel

from bandit.types import Epoch
from gateway.management.context import Management
from storage.activity import KEPT_SECONDS
from storage.calendar import DAY, HOUR, MINUTE
from storage.stores.activity import Activity, Buckets

LENGTHS = ((MINUTE, MINUTE), (5 * MINUTE, MINUTE), (30 * MINUTE, MINUTE), (HOUR, HOUR), (DAY, DAY))
"""Seconds that a bucket of the shares over time may have, and the width of the cells that it is made of."""
MOST_BUCKETS = 180


class TaskView(BaseModel):
    """A class of requests: how many there were, how many have a score, and each model's share of the first draws."""

    task: str
    requests: int
    scored: int
    shares: dict[str, float]


@dataclass(frozen=True, slots=True)
class Draws:
    """First draws by model in buckets of `seconds`, by the start of each; empty buckets are left out."""

    since: int
    seconds: int
    buckets: Mapping[int, Mapping[str, int]]


def task_shares(management: Management, router_id: str, since: float) -> list[TaskView]:
    """The classes of a router's requests, the most frequent first: from the hour of `since` on, up to 100 days."""
    kept = max(since, management.now - KEPT_SECONDS[HOUR])
    requests: dict[str, dict[str, int]] = defaultdict(dict)
    scored: dict[str, int] = defaultdict(int)
    for task, model_id, drawn, with_score in Activity(management.database).of_tasks(router_id, Epoch(kept)):
        scored[task] += with_score
        if drawn:
            requests[task][model_id] = drawn
    views = [
        TaskView(
            task=task,
            requests=sum(drawn.values()),
            scored=scored[task],
            shares={model_id: number / sum(drawn.values()) for model_id, number in drawn.items()},
        )
        for task, drawn in requests.items()
    ]
    return sorted(views, key=lambda view: (-view.requests, view.task))


def draws_over_time(management: Management, router_id: str, since: float) -> Draws:
    """First draws since an instant, in order of time, or since the first request after it if that is much later."""
    seconds, width = _length(management.now, since)
    found = _draws(management, router_id, since, seconds, width)
    if not found.buckets:
        return found
    # Of a young router most of the chart would be empty, and the rest one bucket.
    first = next(iter(found.buckets))
    finer, width = _length(management.now, first)
    if finer == seconds:
        return found
    young = _draws(management, router_id, first, finer, width)
    return replace(young, since=next(iter(young.buckets), young.since))


def _draws(management: Management, router_id: str, since: float, seconds: int, width: int) -> Draws:
    begin, end = int(since // seconds) * seconds, int(management.now // seconds + 1) * seconds
    by_bucket: dict[int, dict[str, int]] = defaultdict(dict)
    for at, model_id, drawn in Activity(management.database).draws(router_id, Buckets(width, seconds, begin, end)):
        by_bucket[at][model_id] = drawn
    return Draws(begin, seconds, by_bucket)


def _length(now: float, since: float) -> tuple[int, int]:
    """The shortest bucket of which there are not too many, and whose cells are kept."""
    fitting = (each for each in LENGTHS if (now - since) / each[0] <= MOST_BUCKETS)
    return next((each for each in fitting if since >= now - KEPT_SECONDS.get(each[1], inf)), LENGTHS[-1])
