"""Snapshots are renewed beside the requests, within a share of the event loop's time."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bandit.learning import learn_scores
from bandit.types import Arm, Epoch, LoopTime, RouterSettings, Scores
from gateway.routing import publisher as module
from gateway.routing.definitions import Definition
from gateway.routing.publisher import LARGEST_SHARE, Publisher
from gateway.routing.router import LiveRouter, RouterState
from gateway.settings.router_options import DEFAULT_OPTIONS
from tests.support.waiting import wait_until

NOW = Epoch(1_700_000_000.0)
IDS = ("rtr_a", "rtr_b")


@pytest.fixture
def routers() -> dict[str, LiveRouter]:
    def define(router_id: str) -> Definition:
        return Definition(DEFAULT_OPTIONS, RouterSettings(router_id), b"s" * 32, {}, (Arm("p/one", None),), NOW)

    return {router_id: LiveRouter(define(router_id), RouterState()) for router_id in IDS}


@pytest.fixture
async def publisher(routers: dict[str, LiveRouter]) -> AsyncIterator[Publisher]:
    publisher = Publisher(routers, lambda: NOW)
    yield publisher
    publisher.close()


def score(live: LiveRouter) -> None:
    before, after = (Scores(live.id, "p/one", "", NOW, given) for given in ({}, {"user": 1.0}))
    live.state.add(learn_scores(before, after, 60.0))


def scored(live: LiveRouter) -> float:
    """The scores behind the snapshot that requests meet, which is not renewed here."""
    assert live._published is not None
    return sum(live._published.snapshot.scores)


async def until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what)


def ask(live: LiveRouter) -> None:
    live.published(NOW, LoopTime(asyncio.get_running_loop().time()))


async def test_a_score_is_in_the_snapshot_soon_though_nobody_asks(
    routers: dict[str, LiveRouter], publisher: Publisher
) -> None:
    live = routers["rtr_a"]
    ask(live)
    for count in range(1, 4):
        score(live)
        publisher.note(["rtr_a", "rtr_deleted"])
        await until(lambda: scored(live) > count - 0.5, "the snapshot is renewed")  # noqa: B023 - awaited here


async def test_a_router_without_traffic_costs_nothing(routers: dict[str, LiveRouter], publisher: Publisher) -> None:
    score(routers["rtr_a"])
    publisher.note(["rtr_a"])
    assert not publisher._timers
    assert not publisher._due


async def test_what_takes_too_long_leaves_the_others_to_their_requests(
    routers: dict[str, LiveRouter], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 1_000, 10))
    monkeypatch.setattr(module, "perf_counter", lambda: float(next(ticks)))  # each snapshot takes 10 s
    for live in routers.values():
        ask(live)
        score(live)
    publisher.note(IDS)
    await until(lambda: max(map(scored, routers.values())) > 0.0, "one is renewed")
    await until(lambda: bool(publisher._due), "the other waits")
    assert publisher._turn is not None
    assert publisher._turn.when() > publisher._loop.time() + 5.0 / LARGEST_SHARE, "nine tenths are left to requests"
    assert min(map(scored, routers.values())) == 0.0


async def test_a_snapshot_that_cannot_be_taken_stops_no_other(
    routers: dict[str, LiveRouter], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for live in routers.values():
        ask(live)
        score(live)

    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(routers["rtr_a"], "renew", fail)
    publisher.note(IDS)
    await until(lambda: scored(routers["rtr_b"]) > 0.0, "the other is renewed")
