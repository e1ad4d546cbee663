"""Every GET of the management API and every page of the dashboard, asked of a gateway on a large ledger."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import psutil

from storage.calendar import DAY, HOUR
from tests.reliability.scale.fill import Span
from tests.reliability.scale.requests import KEYS, ROUTERS
from tests.support.gateway import GatewayProcess
from tests.support.processes import RunFailed

_LARGE = "router_id=rtr_large"
_OVERVIEW, _MODELS, _KEYS = (f"/admin/activity/{name}" for name in ("overview", "models", "keys"))
_DECISIONS = "/admin/decisions"
API = {
    "routers": "/admin/routers",
    "a router": "/admin/routers/{router}",
    "stats": "/admin/routers/{router}/stats",
    "savings, 30 days": "/admin/routers/rtr_large/savings?from={month_ago}",
    "call sites": "/admin/routers/{router}/call_sites",
    "stats of a class, 30 days": "/admin/routers/rtr_large/stats?task=code&from={month_ago}",
    "overview of 24 h, all routers": _OVERVIEW,
    "overview of 24 h in quarter hours, all routers": f"{_OVERVIEW}?bucket_seconds=900",
    "overview of 24 h in minutes, a router": f"{_OVERVIEW}?{_LARGE}&from={{half_a_day_ago}}&bucket_seconds=60",
    "overview of 7 d, all routers": f"{_OVERVIEW}?from={{week_ago}}",
    "overview of 24 h by the hour, all routers": f"{_OVERVIEW}?bucket_seconds=3600",
    "overview of 7 d by the hour, a router": f"{_OVERVIEW}?{_LARGE}&from={{week_ago}}&bucket_seconds=3600",
    "overview of 30 d by the hour, a router": f"{_OVERVIEW}?{_LARGE}&from={{month_ago}}&bucket_seconds=3600",
    "overview of 80 d, all routers": f"{_OVERVIEW}?from={{long_ago}}&bucket_seconds=86400",
    "overview of a class, 24 h, all routers": f"{_OVERVIEW}?task=code",
    "overview of a class, 30 d, a router": f"{_OVERVIEW}?task=code&{_LARGE}&from={{month_ago}}",
    "overview of a provider, 30 d": f"{_OVERVIEW}?provider=provider-1&from={{month_ago}}&bucket_seconds=86400",
    "models of 24 h, all routers": _MODELS,
    "models of 24 h in quarter hours, all routers": f"{_MODELS}?bucket_seconds=900",
    "models of 7 d by the hour, a router": f"{_MODELS}?{_LARGE}&from={{week_ago}}&bucket_seconds=3600",
    "models of 24 h by the hour, all routers": f"{_MODELS}?bucket_seconds=3600",
    "models of 80 d, all routers": f"{_MODELS}?from={{long_ago}}&bucket_seconds=86400",
    "keys of 24 h": _KEYS,
    "keys of 6 h, by the hour": f"{_KEYS}?from={{six_hours_ago}}&bucket_seconds=3600",
    "keys of 7 d": f"{_KEYS}?from={{week_ago}}&bucket_seconds=86400",
    "keys of 80 d": f"{_KEYS}?from={{long_ago}}&bucket_seconds=86400",
    "one key's 80 d": f"{_KEYS}?from={{long_ago}}&bucket_seconds=86400&api_key_id={{key}}",
    "filter options": "/admin/activity/filter-options",
    "decisions": _DECISIONS,
    "decisions, 200": f"{_DECISIONS}?limit=200",
    "decisions from far back": f"{_DECISIONS}?cursor={{cursor}}",
    "decisions of a router": f"{_DECISIONS}?router_id={{router}}",
    "decisions of a router from far back": f"{_DECISIONS}?router_id={{router}}&cursor={{cursor}}",
    "decisions of a key": f"{_DECISIONS}?api_key_id={{key}}",
    "decisions of a key that asked nothing": f"{_DECISIONS}?api_key_id=key_none",
    "decisions of a key and a router": f"{_DECISIONS}?api_key_id={{key}}&router_id=rtr_large",
    "decisions of a key from far back": f"{_DECISIONS}?api_key_id={{key}}&cursor={{cursor}}",
    "decisions that failed": f"{_DECISIONS}?status=failed",
    "decisions that failed, of a small router": f"{_DECISIONS}?status=failed&router_id=rtr_001",
    "decisions that failed, from far back": f"{_DECISIONS}?status=failed&cursor={{cursor}}",
    "decisions answered or cut": f"{_DECISIONS}?status=answered&status=partial",
    "decisions of a model": f"{_DECISIONS}?model=provider-1/model-1",
    "decisions of a model that has none": f"{_DECISIONS}?model=none/none",
    "decisions of a class": f"{_DECISIONS}?task=code",
    "decisions of a class that has none": f"{_DECISIONS}?task=none&{_LARGE}",
    "decisions to learn": f"{_DECISIONS}?explored=true",
    "decisions of low scores": f"{_DECISIONS}?score_max=0.1",
    "decisions of low scores, of a router": f"{_DECISIONS}?score_max=0.01&{_LARGE}",
    "decisions of an hour": f"{_DECISIONS}?from={{hour_from}}&to={{hour_to}}",
    "decisions of an hour and a router": f"{_DECISIONS}?from={{hour_from}}&to={{hour_to}}&router_id={{router}}",
    "decisions of an hour that failed": f"{_DECISIONS}?from={{hour_from}}&to={{hour_to}}&status=failed",
    "all filters together": "/admin/decisions?router_id=rtr_large&model=provider-1/model-1&task=code&status=answered"
    "&api_key_id={key}&explored=true&score_max=0.5&from={month_ago}",
    "a decision in full": f"{_DECISIONS}/{{id}}",
    "models": "/admin/models",
    "evals": "/admin/evals",
    "an eval": "/admin/evals/eval_0007",
    "API keys": "/admin/api-keys",
    "an API key": "/admin/api-keys/{key}",
    "changes": "/admin/changes",
    "changes, 200": "/admin/changes?limit=200",
    "changes of a router": "/admin/changes?target={router}",
    "health": "/admin/health",
    "metrics": "/metrics",
}
PAGES = {
    "page: overview": "/",
    "page: what was saved, as JSON": "/routers/{router}/savings.json",
    "page: a router": "/routers/{router}",
    "page: what if, before a question": "/routers/{router}/what-if",
    "page: the largest router, 30 d": "/routers/rtr_large?days=30",
    "page: a router's decisions": "/routers/rtr_large/decisions",
    "page: decisions from far back": "/routers/{router}/decisions?cursor={cursor}",
    "page: decisions that failed": "/routers/rtr_large/decisions?ending=failed",
    "page: decisions of low scores": "/routers/rtr_large/decisions?score=low",
    "page: decisions to learn, of a key": "/routers/rtr_large/decisions?drawn=explored&key={key}",
    "page: decisions of a model and a class": "/routers/rtr_large/decisions?model=provider-1/model-1&task=code",
    "page: a decision": "/decisions/{id}",
    "page: a decision's JSON": "/decisions/{id}/json",
    "page: health": "/health",
    "page: a router's settings": "/routers/{router}/settings",
    "page: a new router": "/routers/new",
    "page: models": "/models",
    "page: evals": "/evals",
    "page: keys": "/keys",
    "page: a key": "/keys/{key}",
    "page: changes": "/changes",
}


@dataclass(frozen=True, slots=True)
class Called:
    """Milliseconds of one call: the first, the median of several more; and of processor, in both servers."""

    name: str
    first_ms: float
    median_ms: float
    gateway_cpu_ms: float
    database_cpu_ms: float
    kilobytes: int

    @property
    def server_ms(self) -> float:
        """What it takes on a free machine: a busy one adds to the time, and never to the work."""
        return min(self.median_ms, self.gateway_cpu_ms + self.database_cpu_ms)


def call_all(
    gateway: GatewayProcess, span: Span, seed: int, times: int, database_cpu_seconds: Callable[[], float]
) -> Iterator[Called]:
    """Ask each `times` times, each time about another router, key and instant. Raises RunFailed."""
    chance = random.Random(seed)
    process = psutil.Process(gateway.pid)
    with ExitStack() as stack:
        api, browser = stack.enter_context(gateway.client()), stack.enter_context(gateway.client())
        del browser.headers["authorization"]
        signed_in = browser.post("/sign-in", data={"key": gateway.key}, headers={"origin": gateway.url})
        if signed_in.status_code not in {200, 303}:
            raise RunFailed(f"sign-in was answered with {signed_in.status_code}")
        for calls, client in ((API, api), (PAGES, browser)):
            for name, path in calls.items():
                yield _called(name, path, client, lambda: _values(chance, span), times, process, database_cpu_seconds)


def _called(
    name: str,
    path: str,
    client: httpx.Client,
    values: Callable[[], dict[str, object]],
    times: int,
    process: psutil.Process,
    database_cpu_seconds: Callable[[], float],
) -> Called:
    first, size = _ask(client, path.format(**values()))
    gateway, database = _cpu_seconds(process), database_cpu_seconds()
    asked = [_ask(client, path.format(**values()))[0] for _ in range(times)]
    return Called(
        name=name,
        first_ms=round(first, 1),
        median_ms=round(statistics.median(asked), 1),
        gateway_cpu_ms=round((_cpu_seconds(process) - gateway) / times * 1e3, 1),
        database_cpu_ms=round((database_cpu_seconds() - database) / times * 1e3, 1),
        kilobytes=size // 1_000,
    )


def _ask(client: httpx.Client, path: str) -> tuple[float, int]:
    before = time.perf_counter()
    answer = client.get(path)
    elapsed = (time.perf_counter() - before) * 1e3
    if answer.status_code != httpx.codes.OK:
        raise RunFailed(f"{path} was answered with {answer.status_code}: {answer.text[:300]}")
    return elapsed, len(answer.content)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _values(chance: random.Random, span: Span) -> dict[str, object]:
    number = chance.randrange(span.count)
    at, now = span.at_of(number), time.time()
    return {
        "router": chance.choice(list(ROUTERS)),
        "key": chance.choice(KEYS),
        "id": span.id_of(number),
        "cursor": f"{at!r}~{span.id_of(number)}",
        "hour_from": at,
        "hour_to": at + HOUR,
        "six_hours_ago": now - 5 * HOUR,
        "half_a_day_ago": now - DAY / 2,
        "week_ago": now - 7 * DAY,
        "month_ago": now - 30 * DAY,
        "long_ago": now - 80 * DAY,
    }
