"""Priors of models that join a router: from other routers, else from models at a similar price; late or not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bandit.posteriors.priors import LARGEST_CLASS_WEIGHT
from bandit.types import ArmPrior
from gateway.catalog.catalog import Catalog
from gateway.routing.priors import borrow_priors
from gateway.settings import load
from storage.database.engine import Database
from tests.support.records import RecordMaker, RunningWriter

PRICES = {"p/one": 2.0, "p/near": 3.0, "p/far": 20.0, "p/free": 0.0}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(
        '[providers.p]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'
        + "".join(
            f'[models."{model}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = {usd}\n'
            for model, usd in PRICES.items()
        )
    )
    return Catalog(load(path, {}), datetime.now(UTC))


@pytest.fixture
def running(database: Database) -> Iterator[RunningWriter]:
    running = RunningWriter(database)
    yield running
    running.writer.close()


def answer(running: RunningWriter, router_id: str, model_id: str, times: int = 20) -> None:
    making = RecordMaker()
    running.write(*(making.completion(router_id, model_id) for _ in range(times)))


def borrow(database: Database, catalog: Catalog, *keys: tuple[str, str]) -> list[ArmPrior]:
    priors = borrow_priors(database, catalog, set(keys), {model_id: model_id for _, model_id in keys})
    return [priors[key] for key in keys]


def test_a_model_that_no_router_has_seen_is_taken_to_be_as_fast_as_models_at_a_similar_price(
    database: Database, catalog: Catalog, running: RunningWriter
) -> None:
    answer(running, "rtr_old", "p/one")
    one, near, far, free = borrow(database, catalog, *(("rtr_new", model_id) for model_id in PRICES))
    assert not one.of_price_class
    assert near.of_price_class
    assert (far, free) == (ArmPrior(), ArmPrior())
    assert one.total is not None
    assert near.total is not None
    assert near.total.mean == pytest.approx(one.total.mean)
    assert near.total.spread > one.total.spread
    assert near.total.weight == LARGEST_CLASS_WEIGHT < one.total.weight
    assert near.completion_tokens is None


def test_models_of_the_same_router_are_no_price_class_because_its_snapshots_pool_them(
    database: Database, catalog: Catalog, running: RunningWriter
) -> None:
    answer(running, "rtr_old", "p/one")
    (near,) = borrow(database, catalog, ("rtr_old", "p/near"))
    assert near == ArmPrior(joined_late=True)


def test_a_model_joins_late_if_its_router_has_had_traffic_of_others(
    database: Database, catalog: Catalog, running: RunningWriter
) -> None:
    answer(running, "rtr_busy", "p/one", times=1)
    keys = [("rtr_busy", "p/far"), ("rtr_quiet", "p/one"), ("rtr_quiet", "p/far"), ("rtr_busy", "p/one")]
    late = [prior.joined_late for prior in borrow(database, catalog, *keys)]
    assert late == [True, False, False, False]


def test_a_variant_is_expected_to_be_as_fast_as_its_model_and_others_at_its_price(
    database: Database, catalog: Catalog, running: RunningWriter
) -> None:
    answer(running, "rtr_old", "p/one")
    for model_id in ("p/one", "p/near"):
        key = ("rtr_new", f"{model_id}@low")
        prior = borrow_priors(database, catalog, {key}, {key[1]: model_id})[key]
        assert prior.of_price_class
        assert key[1] not in catalog  # no model by the variant's name is looked up
