"""Gauges of what routers believe: the values of a decision now, bounded, and gone with the router."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, Epoch, RouterSettings
from gateway.catalog.catalog import Catalog, Model
from gateway.routing.definitions import Definition
from gateway.routing.router import LiveRouter, RouterState
from gateway.settings import load
from gateway.settings.router_options import RouterOptions
from gateway.telemetry import posteriors as module
from gateway.telemetry.cells import Board, Cells
from gateway.telemetry.families import (
    POSTERIOR_COST_USD,
    POSTERIOR_QUALITY,
    POSTERIOR_QUALITY_DEVIATION,
    POSTERIOR_SECONDS,
    SNAPSHOT_AGE,
    Family,
)
from gateway.telemetry.posteriors import Posteriors

MODELS = ("p/one", "p/two")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Model]:
    path = tmp_path_factory.mktemp("catalog") / "bandit-gateway.toml"
    prices = "input_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n"
    tables = "".join(f'[models."{model_id}"]\n{prices}' for model_id in MODELS)
    path.write_text(f'[providers.p]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n{tables}')
    catalog = Catalog(load(path, {}), datetime.now(UTC))
    return {model_id: catalog.resolve(model_id) for model_id in MODELS}


@pytest.fixture
def cells() -> Iterator[Cells]:
    board = Board()
    yield board.open()
    board.close()


def router(router_id: str, models: Mapping[str, Model]) -> LiveRouter:
    arms = tuple(Arm(model.id, model.price) for model in models.values())
    return LiveRouter(
        Definition(RouterOptions(), RouterSettings(router_id), b"secret", models, arms, 0.0), RouterState()
    )


def score(live: LiveRouter, model_id: str, mean: float, weight: float = 100.0, task: str = "code") -> None:
    """Have it scored `weight` times with this mean."""
    key = StatisticKey(live.id, model_id, task, Signal.QUALITY)
    live.state.replace({key: Sums(0.0, 1e9, weight, weight * mean, weight * mean * mean)})


def told(cells: Cells, family: Family, *labels: str) -> float:
    return cells.values[cells.start_of(family, *labels)]


def refreshed(
    cells: Cells,
    routers: Mapping[str, LiveRouter],
    *steps: Callable[[], object],
    by_task: bool = False,
) -> None:
    """Refresh, and again after each step."""

    async def work() -> None:
        posteriors = Posteriors(cells, routers, lambda: Epoch(1_000.0), by_task=by_task)
        await posteriors.refresh()
        for step in steps:
            step()
            await asyncio.sleep(0.06)  # a snapshot is kept for 50 ms
            await posteriors.refresh()

    asyncio.run(work())


def test_what_is_told_is_what_a_decision_now_would_take(cells: Cells, models: Mapping[str, Model]) -> None:
    live = router("rtr_a", models)
    score(live, "p/one", 0.9)
    refreshed(cells, {"rtr_a": live}, lambda: score(live, "p/two", 0.2))
    snapshot = live.newest_snapshot
    assert snapshot is not None
    (quality, variance) = snapshot.quality("")
    for row, model_id in enumerate(MODELS):
        labels = ("rtr_a", model_id, "")
        assert told(cells, POSTERIOR_QUALITY, *labels) == quality[row]
        assert told(cells, POSTERIOR_QUALITY_DEVIATION, *labels) == math.sqrt(variance[row])
        assert told(cells, POSTERIOR_SECONDS, *labels) > 0.0
        assert told(cells, POSTERIOR_COST_USD, *labels) > 0.0
    assert quality[0] > quality[1]
    assert told(cells, SNAPSHOT_AGE) == 0.0


def test_classes_are_told_only_if_they_are_asked_for(cells: Cells, models: Mapping[str, Model]) -> None:
    live = router("rtr_a", models)
    score(live, "p/one", 0.9)
    refreshed(cells, {"rtr_a": live}, by_task=True)
    assert told(cells, POSTERIOR_QUALITY, "rtr_a", "p/one", "code") > told(
        cells, POSTERIOR_QUALITY, "rtr_a", "p/one", ""
    )
    other = router("rtr_b", models)
    score(other, "p/one", 0.9)
    refreshed(cells, {"rtr_b": other})
    assert math.isnan(told(cells, POSTERIOR_QUALITY, "rtr_b", "p/one", "code"))


def test_a_router_and_a_model_that_are_gone_are_told_no_more(cells: Cells, models: Mapping[str, Model]) -> None:
    one, other = router("rtr_a", models), router("rtr_b", models)
    routers = {"rtr_a": one, "rtr_b": other}

    def change() -> None:
        del routers["rtr_b"]
        left = {"p/one": models["p/one"]}
        definition = replace(one.definition, models=left, arms=one.definition.arms[:1])
        routers["rtr_a"] = LiveRouter(definition, one.state, one)

    refreshed(cells, routers, change)
    assert told(cells, POSTERIOR_QUALITY, "rtr_a", "p/one", "") > 0.0
    assert math.isnan(told(cells, POSTERIOR_QUALITY, "rtr_a", "p/two", ""))
    assert math.isnan(told(cells, POSTERIOR_SECONDS, "rtr_b", "p/one", ""))


def test_a_second_tells_of_some_routers_and_those_first_that_wait_longest(
    cells: Cells, models: Mapping[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROUTERS", 2)
    routers = {f"rtr_{number}": router(f"rtr_{number}", models) for number in range(5)}
    known: list[int] = []
    first = lambda: score(routers["rtr_0"], "p/one", 0.1)  # noqa: E731
    count = lambda: known.append(sum(live.newest_snapshot is not None for live in routers.values()))  # noqa: E731
    refreshed(cells, routers, first, count, count)
    assert known == [3, 5 - 1 + 1]
    assert told(cells, SNAPSHOT_AGE) == 0.0


def test_the_rows_that_are_told_are_bounded(
    cells: Cells, models: Mapping[str, Model], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    refreshed(cells, {router_id: router(router_id, models) for router_id in ("rtr_a", "rtr_b")})
    assert told(cells, POSTERIOR_QUALITY, "rtr_b", "p/one", "") > 0.0
    assert math.isnan(told(cells, POSTERIOR_QUALITY, "rtr_b", "p/two", ""))
    assert "at most: not of ('rtr_b', 'p/two', '')" in caplog.text
