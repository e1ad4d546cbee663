"""The routers in memory follow the price list: some prices are of an hour of the day, others begin on a day."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bandit.types import Context, Epoch
from gateway.catalog.catalog import Catalog
from gateway.routing.registry import Registry
from gateway.serving.bootstrap import prepare
from gateway.settings import load
from storage.database.engine import open_database

CHEAP_HOUR = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
DEAR_HOUR = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
CONTEXT = Context(task="", prompt_tokens=1_000)
DEEPSEEK = (
    '[routers.rtr_a]\nmodels = ["deepseek/deepseek-v4-pro"]\n[models."deepseek/mine"]\nbase_model = "deepseek-v4-pro"\n'
)
DECLARED = "input_usd_per_million = 1\noutput_usd_per_million = 1\n"


def epoch(moment: datetime) -> Epoch:
    return Epoch(moment.timestamp())


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = tmp_path / "a.toml"
    path.write_text(f'database_url = "sqlite:///{tmp_path / "ledger.db"}"\n{DEEPSEEK}{DECLARED}')
    return Catalog(load(path, {"DEEPSEEK_API_KEY": "k"}), CHEAP_HOUR)


def test_a_price_changes_with_the_hour_and_back(catalog: Catalog) -> None:
    cheap = catalog.resolve("deepseek/deepseek-v4-pro").price
    assert catalog.reprice(epoch(CHEAP_HOUR)) == {}
    changed = catalog.reprice(epoch(DEAR_HOUR))
    assert changed.keys() == {"deepseek/deepseek-v4-pro"}, "a declared price stays"
    assert changed["deepseek/deepseek-v4-pro"].price.input_usd == pytest.approx(2 * cheap.input_usd)
    assert catalog.reprice(epoch(DEAR_HOUR)) == {}
    night = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)
    assert catalog.reprice(epoch(night))["deepseek/deepseek-v4-pro"].price == cheap


def test_a_router_expects_and_bills_the_price_of_the_hour(tmp_path: Path, catalog: Catalog) -> None:
    settings = load(tmp_path / "a.toml", {"DEEPSEEK_API_KEY": "k"})
    database = open_database(settings.database_url)
    prepare(settings, catalog, database, epoch(CHEAP_HOUR))
    registry = Registry(database, catalog)
    router = registry.routers["rtr_a"]
    before = router.published(epoch(CHEAP_HOUR)).snapshot.cost_usd(CONTEXT)[0]
    registry.reprice(epoch(DEAR_HOUR))
    assert registry.routers["rtr_a"] is router, "what it has learned stays"
    after = router.published(epoch(DEAR_HOUR)).snapshot.cost_usd(CONTEXT)[0]
    assert after == pytest.approx(2 * before)
    assert router.models["deepseek/deepseek-v4-pro"].price == catalog.resolve("deepseek/deepseek-v4-pro").price
    database.close()
