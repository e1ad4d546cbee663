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

LENGTHS = (MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY)
"""Seconds that a bucket of the shares over time may have."""
MOST_BUCKETS = 180
FEWEST_BUCKETS = 24
FEWEST_DRAWS = 20
"""Buckets with fewer draws than this on average show chance: they are joined, as long as enough are left."""


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
    seconds = _length(management.now, since)
    found = _draws(management, router_id, since, seconds)
    # Of a young router most of the chart would be empty, and the rest one bucket.
    first = next(iter(found.buckets), since)
    if _length(management.now, first) < seconds:
        young = _draws(management, router_id, first, _length(management.now, first))
        found = replace(young, since=next(iter(young.buckets), young.since))
    for longer in LENGTHS:
        total, number = sum(sum(drawn.values()) for drawn in found.buckets.values()), len(found.buckets)
        if longer > found.seconds and number >= FEWEST_BUCKETS and total < FEWEST_DRAWS * number:
            found = _joined(found, longer)
    return found


def _joined(draws: Draws, seconds: int) -> Draws:
    by_bucket: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for at, drawn in draws.buckets.items():
        for model_id, number in drawn.items():
            by_bucket[at - at % seconds][model_id] += number
    return Draws(draws.since, seconds, by_bucket)


def _draws(management: Management, router_id: str, since: float, seconds: int) -> Draws:
    begin, end = int(since // seconds) * seconds, int(management.now // seconds + 1) * seconds
    buckets = Buckets(_width(seconds), seconds, begin, end)
    by_bucket: dict[int, dict[str, int]] = defaultdict(dict)
    for at, model_id, drawn in Activity(management.database).draws(router_id, buckets):
        by_bucket[at][model_id] = drawn
    return Draws(begin, seconds, by_bucket)


def _length(now: float, since: float) -> int:
    """The shortest bucket of which there are not too many, and whose cells are kept."""
    fitting = (each for each in LENGTHS if (now - since) / each <= MOST_BUCKETS)
    return next((each for each in fitting if since >= now - KEPT_SECONDS.get(_width(each), inf)), DAY)


def _width(seconds: int) -> int:
    """The width of the cells that a bucket is made of."""
    return DAY if seconds == DAY else HOUR if seconds % HOUR == 0 else MINUTE
