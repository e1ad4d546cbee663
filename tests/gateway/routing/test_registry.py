"""A changed router takes its place, keeps what goes on in it, and nothing that is learned meanwhile is lost."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete

from bandit.statistics import Signal, StatisticKey
from bandit.types import Context, Epoch, Json, LoopTime, Scores
from gateway.catalog.catalog import Catalog
from gateway.routing.loader import EVERYTHING, Loader
from gateway.routing.registry import Registry
from gateway.routing.router import PUBLISH_SECONDS
from gateway.serving.bootstrap import prepare
from gateway.settings import load
from storage.database.engine import Database, open_database
from storage.database.revisions import Topic
from storage.pending_events import PARTS, part_of
from storage.records import RouterModel, RouterRecord
from storage.replication.changes import Changed, Changes, read_everything
from storage.stores.arms import Arms
from storage.stores.identity import begin_epoch
from storage.stores.routers import Routers
from storage.tables import activity, arms, statistic_changes
from tests.support.databases import Opening
from tests.support.recorder import recording
from tests.support.records import NOW, RecordMaker, RunningWriter, assert_same_sums, later, same_sums
from tests.support.waiting import wait_until

CHEAP_HOUR = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
DEAR_HOUR = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
CONTEXT = Context(task="", prompt_tokens=1_000)
DEEPSEEK = (
    '[routers.rtr_a]\nmodels = ["deepseek/deepseek-v4-pro"]\n[models."deepseek/mine"]\nbase_model = "deepseek-v4-pro"\n'
)
DECLARED = "input_usd_per_million = 1\noutput_usd_per_million = 1\n"
MODELS = ("p/one", "p/two")
SOON = LoopTime(1.0)


@pytest.fixture
def making() -> RecordMaker:
    return RecordMaker()


@pytest.fixture
def running(database: Database) -> Iterator[RunningWriter]:
    """A writer of another process."""
    running = RunningWriter(database)
    yield running
    running.writer.close()


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog of two models."""
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(
        '[providers.p]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'
        + "".join(
            f'[models."{model}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n' for model in MODELS
        )
    )
    return Catalog(load(path, {}), datetime.now(UTC))


class Memory:
    """What a gateway holds in memory, and its looks at the ledger, one at a time."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        everything, position = read_everything(database)
        self.loader = Loader(database, catalog, lambda: NOW)
        self.registry = Registry(everything, catalog)
        self.registry.replace(self.loader.load(EVERYTHING))
        self.routers = self.registry.routers
        self._changes = Changes(database, position=position)
        self._looks = 0

    def look(self) -> None:
        self._looks += 1
        changed = self._changes.poll(str(self._looks))
        self._changes.close()
        if changed is not None:
            self.registry.follow(changed)
            self.registry.replace(self.loader.load(changed.subjects))


@pytest.fixture
def memory(database: Database, catalog: Catalog) -> Memory:
    put(database, "rtr_a", sticky_seconds=60.0, max_usd_per_day=1.0)
    put(database, "rtr_b")
    return Memory(database, catalog)


def put(database: Database, router_id: str, name: str = "name", **settings: Json) -> None:
    models = tuple(RouterModel(model_id) for model_id in MODELS)
    Routers(database).put(RouterRecord(router_id, name, b"s" * 32, settings, models, NOW, NOW))


def test_a_fold_settles_what_was_learned_before(memory: Memory, running: RunningWriter, making: RecordMaker) -> None:
    running.write(making.completion("rtr_a"))
    memory.look()
    state = memory.routers["rtr_a"].state
    assert state.settled < state.revision
    memory.registry.follow(Changed(folded=frozenset(range(PARTS)) - {part_of("rtr_a")}))
    assert state.settled < state.revision, "its own part waits"
    memory.registry.follow(Changed(folded=frozenset({part_of("rtr_a")})))
    assert state.settled == state.revision


def test_a_changed_router_is_replaced_and_no_other(database: Database, memory: Memory) -> None:
    former_a, former_b = memory.routers["rtr_a"], memory.routers["rtr_b"]
    put(database, "rtr_a", max_attempts=1)
    memory.look()
    assert (former_a.options.max_attempts, memory.routers["rtr_a"].options.max_attempts) == (3, 1)
    assert memory.routers["rtr_b"] is former_b


def test_a_renamed_router_is_served_on_with_its_snapshot(database: Database, memory: Memory) -> None:
    published = memory.routers["rtr_a"].published(NOW, SOON)
    put(database, "rtr_a", "another name", sticky_seconds=60.0, max_usd_per_day=1.0)
    memory.look()
    assert memory.routers["rtr_a"].published(NOW, SOON) is published


def test_a_changed_router_keeps_conversations_reservations_and_spend(database: Database, memory: Memory) -> None:
    running = memory.routers["rtr_a"]
    assert running.sticky is not None
    running.sticky.keep(b"ann", "p/two", 0, SOON)
    running.spend.reserve(0.4, NOW)
    running.spend.settle(0.1, 0.2, NOW)
    put(database, "rtr_a", sticky_seconds=600.0, max_usd_per_day=0.6)
    memory.look()
    changed = memory.routers["rtr_a"]
    assert changed is not running
    assert changed.sticky is not None
    assert changed.sticky.kept(b"ann", SOON) == running.sticky.kept(b"ann", SOON)
    assert changed.sticky.kept(b"ann", SOON) is not None
    assert changed.spend.left_usd(NOW) == pytest.approx(0.6 - 0.3 - 0.2)
    running.spend.settle(0.3, 0.0, NOW)  # by a request that the former router had decided
    assert changed.spend.left_usd(NOW) == pytest.approx(0.6 - 0.2)


def test_a_snapshot_is_kept_only_while_nothing_changes_that_it_was_taken_from(
    database: Database, memory: Memory
) -> None:
    published = memory.routers["rtr_a"].published(NOW, SOON)
    put(database, "rtr_a", store_content=True)
    memory.look()
    assert memory.routers["rtr_a"].published(NOW, SOON) is published
    put(database, "rtr_a", exploration=0.5)
    memory.look()
    assert memory.routers["rtr_a"].published(NOW, SOON).snapshot.settings.exploration == 0.5


def test_a_clock_that_is_set_back_an_hour_does_not_freeze_a_snapshot(
    database: Database, memory: Memory, running: RunningWriter, making: RecordMaker
) -> None:
    router = memory.routers["rtr_a"]
    before = router.published(NOW, SOON)
    running.write(*(making.completion("rtr_a", "p/one") for _ in range(6)))
    memory.look()
    assert router.published(later(0.01), LoopTime(SOON + 0.01)) is before, "under load a snapshot lasts a moment"
    after = router.published(later(-3_600.0), LoopTime(SOON + PUBLISH_SECONDS))
    assert after is not before
    assert after.snapshot.outcomes.sum() > before.snapshot.outcomes.sum()


def test_a_router_that_comes_back_has_what_was_learned_meanwhile(
    database: Database, memory: Memory, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(making.completion("rtr_a", "p/one"))
    Routers(database).delete("rtr_a", NOW)
    memory.look()
    assert memory.routers.keys() == {"rtr_b"}
    running.write(making.completion("rtr_a", "p/two"))
    memory.look()
    put(database, "rtr_a")
    memory.look()
    assert_same_sums(memory.routers["rtr_a"].state.sums, Arms(database).sums("rtr_a"))


def test_after_a_restore_nothing_is_left_in_memory_of_what_the_ledger_does_not_have(
    database: Database, memory: Memory, running: RunningWriter, making: RecordMaker
) -> None:
    at = Epoch(time.time())
    running.write(making.completion("rtr_a", "p/one", at=at), making.completion("rtr_b", "p/two", at=at))
    memory.look()
    learned, kept = memory.routers["rtr_a"], memory.routers["rtr_b"]
    assert learned.state.sums
    assert learned.spend.left_usd(at) < 1.0
    with database.write() as connection:
        for table in (arms, activity, statistic_changes):
            connection.execute(delete(table).where(table.c.router_id == "rtr_a"))
    begin_epoch(database)
    memory.look()
    assert learned.state.sums == {}
    assert learned.spend.left_usd(at) == 1.0
    assert_same_sums(kept.state.sums, Arms(database).sums("rtr_b"))


def test_scores_of_a_deleted_router_fade_as_it_said_also_in_a_process_that_never_served_it(
    database: Database, memory: Memory, catalog: Catalog
) -> None:
    put(database, "rtr_a", half_lives={"quality_seconds": 600.0})
    memory.look()
    Routers(database).delete("rtr_a", NOW)
    memory.look()
    before, after = Scores("rtr_a", "p/one", "", NOW), Scores("rtr_a", "p/one", "", NOW, {"user": 1.0})
    for known in (memory, Memory(database, catalog)):
        learned = known.registry.learn_scores(before, after)
        assert learned[StatisticKey("rtr_a", "p/one", "", Signal.QUALITY)].half_life == 600.0


def test_a_router_whose_settings_cannot_be_read_stays_as_it_was(
    database: Database, memory: Memory, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    former = memory.routers["rtr_a"]
    put(database, "rtr_a", policy="of a newer version")
    memory.look()
    assert memory.routers["rtr_a"] is former
    assert "rtr_a" in caplog.text
    assert Memory(database, catalog).routers.keys() == {"rtr_b"}, "a start serves the others"


@pytest.mark.parametrize("topics", [{Topic.ROUTERS: None}, EVERYTHING])
def test_routers_that_are_gone_are_found_when_anything_may_have_changed(
    database: Database, memory: Memory, topics: dict[Topic, None]
) -> None:
    Routers(database).delete("rtr_b", NOW)
    put(database, "rtr_c")
    memory.registry.replace(memory.loader.load(topics))
    assert memory.routers.keys() == {"rtr_a", "rtr_c"}


async def test_no_delta_is_lost_or_doubled_while_routers_are_replaced(
    database: Database, catalog: Catalog, ledger_url: str, opening: Opening, making: RecordMaker, tmp_path: Path
) -> None:
    """Two processes commit while a third changes, deletes and makes the router that both learn for."""
    put(database, "rtr_a")
    other, outside = RunningWriter(opening(ledger_url)), opening(ledger_url)

    def change_routers() -> None:
        for number in range(25):
            put(outside, "rtr_a", max_attempts=1 + number % 10)
            if number % 5 == 4:
                Routers(outside).delete("rtr_a", NOW)
        put(outside, "rtr_a", max_attempts=7)

    async with recording(database, catalog, tmp_path) as (recorder, registry):
        with contextlib.closing(other.writer):
            changing = asyncio.create_task(asyncio.to_thread(change_routers))
            while not changing.done():
                own = [recorder.completion(making.completion("rtr_a", "p/one")) for _ in range(5)]
                await asyncio.gather(*own, asyncio.to_thread(other.write, making.completion("rtr_a", "p/two")))
            await changing
            await recorder.completion(making.completion("rtr_a", "p/one"))
            wanted = Arms(database).sums("rtr_a")

            def is_as_the_ledger_says() -> bool:
                live = registry.routers.get("rtr_a")
                return live is not None and live.options.max_attempts == 7 and same_sums(live.state.sums, wanted)

            await asyncio.to_thread(wait_until, is_as_the_ledger_says, "what is in memory equals the rows")


def epoch(moment: datetime) -> Epoch:
    return Epoch(moment.timestamp())


@pytest.fixture
def price_list(tmp_path: Path) -> Catalog:
    path = tmp_path / "a.toml"
    path.write_text(f'database_url = "sqlite:///{tmp_path / "ledger.db"}"\n{DEEPSEEK}{DECLARED}')
    return Catalog(load(path, {"DEEPSEEK_API_KEY": "k"}), CHEAP_HOUR)


def test_a_price_changes_with_the_hour_and_back(price_list: Catalog) -> None:
    cheap = price_list.resolve("deepseek/deepseek-v4-pro").price
    assert price_list.reprice(epoch(CHEAP_HOUR)) == {}
    changed = price_list.reprice(epoch(DEAR_HOUR))
    assert changed.keys() == {"deepseek/deepseek-v4-pro"}, "a declared price stays"
    assert changed["deepseek/deepseek-v4-pro"].price.input_usd == pytest.approx(2 * cheap.input_usd)
    assert price_list.reprice(epoch(DEAR_HOUR)) == {}
    night = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)
    assert price_list.reprice(epoch(night))["deepseek/deepseek-v4-pro"].price == cheap


def test_a_router_expects_and_bills_the_price_of_the_hour(tmp_path: Path, price_list: Catalog) -> None:
    settings = load(tmp_path / "a.toml", {"DEEPSEEK_API_KEY": "k"})
    database = open_database(settings.database_url)
    prepare(settings, price_list, database, epoch(CHEAP_HOUR))
    loader, registry = Loader(database, price_list, lambda: epoch(CHEAP_HOUR)), Registry(Changed(), price_list)
    registry.replace(loader.load(EVERYTHING))
    router = registry.routers["rtr_a"]
    (before,), _ = router.published(epoch(CHEAP_HOUR), SOON).snapshot.cost_usd(CONTEXT)
    stale = loader.load(EVERYTHING)
    registry.reprice(epoch(DEAR_HOUR))
    registry.replace(stale)
    assert registry.routers["rtr_a"] is router, "what it has learned stays"
    (after,), _ = router.published(epoch(DEAR_HOUR), SOON).snapshot.cost_usd(CONTEXT)
    assert after == pytest.approx(2 * before)
    assert router.models["deepseek/deepseek-v4-pro"].price == price_list.resolve("deepseek/deepseek-v4-pro").price
    database.close()
