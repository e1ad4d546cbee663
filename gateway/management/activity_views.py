"""What the activity calls answer, made of sums of cells."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import sqrt
from operator import add
from typing import Any

from pydantic import BaseModel

from storage.activity import COUNTS, WAIT_EDGES
from storage.stores.activity import Summed

STATUSES = {
    "completed": ("answered",),
    "provider_error": ("failed_provider",),
    "selector_error": ("failed_own",),
    "rejected": ("rejected",),
    "aborted": ("client_gone",),
}
"""How requests end, with their columns of `activity`."""

PLACES = {name: place for place, name in enumerate(COUNTS)}
_FIRST_WAIT = PLACES["w0"]
_HALF_OCTAVE = 2.0**0.5
_NORMAL_95 = 1.96
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_SAME = (
    *("answered", "partial", "failed_provider", "failed_own", "rejected", "client_gone", "redrawn", "explored"),
    *("prompt_tokens", "cached_tokens", "completion_tokens", "scored"),
)


class WaitView(BaseModel):
    """Seconds until answers ended, from a histogram in half-octaves: right within about 20 %. None: no answers."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class ActivityView(BaseModel):
    """What happened. `failed` is by fault of the providers or the gateway; `failed_calls` are of `calls` of models.

    `mean_score_margin` is half of the 95 % interval of `mean_score`; None: fewer than two scores.
    """

    requests: int
    answered: int
    partial: int
    failed: int
    failed_provider: int
    failed_own: int
    rejected: int
    client_gone: int
    redrawn: int
    explored: int
    calls: int
    failed_calls: int
    cost_usd: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    scored: int
    mean_score: float | None
    mean_score_margin: float | None
    seconds: WaitView
    first_token_seconds: float | None
    overhead_seconds: float | None


class BucketView(ActivityView):
    """One bucket of time, which begins at `at`."""

    at: float


class ModelActivityView(ActivityView):
    """What happened to one model: its first draws are `requests`, its answers `answered`. `share` is of all draws."""

    model: str
    share: float
    series: list[BucketView]


class OverviewView(BaseModel):
    """Activity in whole buckets, of which empty ones are left out. `previous`: the equally long time before.

    `requests` are those of the `status` that was asked for, if one was.
    """

    from_at: float
    to_at: float
    bucket_seconds: int
    summary: ActivityView
    previous: ActivityView | None
    series: list[BucketView]


class ModelsActivityView(BaseModel):
    """Activity by model, most draws first."""

    from_at: float
    to_at: float
    bucket_seconds: int
    models: list[ModelActivityView]


class UsageBucketView(BaseModel):
    """What was used in one bucket of time."""

    at: float
    requests: int
    tokens: int
    cost_usd: float


class KeyActivityView(BaseModel):
    """What one key used. `label` None: the key is not known any more. `series`: of the 50 that spent most."""

    api_key_id: str
    label: str | None
    requests: int
    tokens: int
    cost_usd: float
    series: list[UsageBucketView]


class KeysActivityView(BaseModel):
    """Usage by API key, most dollars first."""

    from_at: float
    to_at: float
    bucket_seconds: int
    keys: list[KeyActivityView]


class NamedOption(BaseModel):
    """A value to filter by, and how people call it."""

    id: str
    name: str


class FilterOptionsView(BaseModel):
    """What activity can be filtered by."""

    routers: list[NamedOption]
    api_keys: list[NamedOption]
    models: list[str]
    providers: list[str]
    tasks: list[str]
    statuses: list[str]
    bucket_seconds: list[int]


def total(counts: Iterable[Sequence[float]]) -> list[float]:
    """Add sums of cells."""
    summed: list[float] = [0] * len(COUNTS)
    for each in counts:
        summed = list(map(add, summed, each))
    return summed


def series_of(rows: Sequence[Summed], shown: Sequence[str]) -> list[BucketView]:
    """Each bucket's view."""
    return [BucketView(at=each.at, **fields_of(each.counts, shown)) for each in rows]


def view_of(counts: Sequence[float], shown: Sequence[str]) -> ActivityView:
    """The view of sums. `shown` are the columns that count as requests."""
    return ActivityView(**fields_of(counts, shown))


def fields_of(counts: Sequence[float], shown: Sequence[str]) -> dict[str, Any]:
    """The fields of an `ActivityView` of sums."""

    def of(name: str) -> int:
        return int(counts[PLACES[name]])

    def mean(name: str, number: str) -> float | None:
        return counts[PLACES[name]] / of(number) if of(number) > 0 else None

    waits = [int(each) for each in counts[_FIRST_WAIT : _FIRST_WAIT + len(WAIT_EDGES) + 1]]
    return dict(
        requests=sum(map(of, shown)),
        failed=of("failed_provider") + of("failed_own"),
        calls=of("attempts"),
        failed_calls=of("failures"),
        cost_usd=counts[PLACES["cost_usd"]],
        mean_score=mean("score", "scored"),
        mean_score_margin=_margin(of("scored"), counts[PLACES["score"]], counts[PLACES["score_squares"]]),
        seconds=WaitView(
            mean=mean("seconds", "answered"),
            **dict(zip(_QUANTILES, quantiles(waits, _QUANTILES.values()), strict=True)),
        ),
        first_token_seconds=mean("first_token_seconds", "first_tokens"),
        overhead_seconds=mean("overhead_seconds", "requests"),
        **{name: of(name) for name in _SAME},
    )


def _margin(number: int, total: float, squares: float) -> float | None:
    """Half of the 95 % interval of a mean, from the sum of values and of their squares.

    >>> _margin(4, 2.0, 2.0)  # 0, 0, 1 and 1
    0.565...
    """
    if number < 2:
        return None
    variance = max(squares - total * total / number, 0.0) / (number - 1)
    return _NORMAL_95 * sqrt(variance / number)


def quantiles(waits: Sequence[int], shares: Iterable[float]) -> list[float | None]:
    """Seconds below which shares of the waits lie, between the edges of their half-octaves on a log scale.

    >>> quantiles([0, 0, 10] + [0] * 21, [0.5])  # all between 0.1 and 0.1414 s
    [0.118...]
    """
    up_to = list(accumulate(waits))
    return [_quantile(waits, up_to, share * up_to[-1]) for share in shares]


def _quantile(waits: Sequence[int], up_to: Sequence[int], wanted: float) -> float | None:
    if wanted <= 0:
        return None
    place = bisect_left(up_to, wanted)
    low = WAIT_EDGES[place - 1] if place else WAIT_EDGES[0] / _HALF_OCTAVE
    below = up_to[place] - waits[place]
    return float(low * _HALF_OCTAVE ** ((wanted - below) / waits[place]))
