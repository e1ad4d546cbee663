"""The statistics of a router equal its ledger by its own half-lives, also after it was deleted."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from bandit.learning import half_life_of, learn_scores
from bandit.statistics import Deltas, Signal, Sums
from bandit.types import HalfLives, Json, Scores
from gateway.maintenance.rebuild import rebuild_due, rebuild_of, retention_of
from storage.database import schema
from storage.database.engine import Database, connect, open_database
from storage.records import CompletionRecord, RouterModel, RouterRecord
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.records import NOW, RecordMaker, RunningWriter, later

SETTINGS: dict[str, Json] = {
    "half_lives": {"success_seconds": 60.0, "quality_seconds": 600.0, "latency_seconds": 30.0, "tokens_seconds": 90.0}
}
OWN = HalfLives(success=60.0, quality=600.0, latency=30.0, tokens=90.0)
ROUTER = RouterRecord("rtr_a", "A", b"s" * 32, SETTINGS, (RouterModel("m/one"),), NOW, NOW)


Keep = Callable[[Database, RouterRecord], bool]


def learn(before: Scores, after: Scores) -> Deltas:
    return learn_scores(before, after, OWN.quality)


@pytest.fixture
def running(database: Database) -> Iterator[RunningWriter]:
    running = RunningWriter(database, learn=learn)
    yield running
    running.writer.close()


def record_of(making: RecordMaker, at: float) -> CompletionRecord:
    """A completion whose deltas fade with the router's own half-lives."""
    record = making.completion("rtr_a", at=at)
    own = {key: replace(sums, half_life=half_life_of(OWN, key.signal)) for key, sums in record.deltas.items()}
    return replace(record, deltas=own)


def fill(database: Database, running: RunningWriter) -> None:
    """A router with completions over an hour, each of them scored."""
    making = RecordMaker()
    Routers(database).put(ROUTER)
    records = [record_of(making, later(number * 300.0)) for number in range(12)]
    running.write(*records)
    for record in records:
        running.write((making.score(record.decision.completion_id, 0.75),))


def test_a_deleted_routers_statistics_equal_its_ledger(database: Database, running: RunningWriter) -> None:
    fill(database, running)
    Routers(database).delete("rtr_a", NOW)
    assert rebuild_of(database).check() == []
    with database.write() as connection:
        connection.execute(text("DELETE FROM arms WHERE signal IN ('quality', 'success')"))
    assert {each.key.signal for each in rebuild_of(database).run()} == {Signal.QUALITY, Signal.SUCCESS}
    assert {sums.half_life for sums in quality_of(database)} == {600.0}
    assert rebuild_of(database).check() == []


def test_retention_of_a_deleted_router_changes_no_statistics(database: Database, running: RunningWriter) -> None:
    fill(database, running)
    Routers(database).delete("rtr_a", NOW)
    assert retention_of(database).delete_some("rtr_a", later(1_000.0)) == 4
    assert rebuild_of(database).check() == []


def test_retention_deletes_by_the_half_lives_that_hold_when_it_deletes(
    database: Database, running: RunningWriter
) -> None:
    """Another process may have changed them since the round began."""
    fill(database, running)
    retention = retention_of(database)
    assert put_router(database, replace(ROUTER, settings={"half_lives": {"success_seconds": 3_600.0}}))
    assert rebuild_of(database).check() == []
    assert retention.delete_some("rtr_a", later(1_000.0)) == 4
    assert rebuild_of(database).check() == []


def put_router(database: Database, record: RouterRecord) -> bool:
    """Change a router, and rebuild what is due as the worker does."""
    return Routers(database).put(record) and rebuild_due(database, NOW) == [record.id]


def add_router(database: Database, record: RouterRecord) -> bool:
    """The same of a router that is added."""
    return Routers(database).add(record) and rebuild_due(database, NOW) == [record.id]


@pytest.mark.parametrize("deleted", [False, True])
def test_half_lives_of_a_newer_version_leave_the_statistics_as_they_are_and_due(
    database: Database, running: RunningWriter, deleted: bool
) -> None:
    fill(database, running)
    before = Arms(database).sums("rtr_a")
    newer: dict[str, Json] = {"half_lives": {"quality_seconds": "adaptive"}}
    assert Routers(database).put(replace(ROUTER, settings=newer))
    if deleted:
        Routers(database).delete("rtr_a", NOW)
    assert rebuild_of(database).check() == []
    assert [rebuild_due(database, later(seconds)) for seconds in (0.0, 1e6)] == [[], []]
    assert rebuild_of(database).run() == []
    assert Arms(database).sums("rtr_a") == before
    assert retention_of(database).delete_some("rtr_a", later(1_000.0)) == 4
    assert rebuild_of(database).check() == []
    assert put_router(database, replace(ROUTER, settings={})), "it is rebuilt as soon as they can be read"
    assert {sums.half_life for sums in quality_of(database)} == {HalfLives().quality}


@pytest.mark.parametrize("keep", [put_router, add_router])
def test_a_new_router_of_a_deleted_ones_id_continues_its_ledger_with_its_own_half_lives(
    database: Database, running: RunningWriter, keep: Keep
) -> None:
    fill(database, running)
    Routers(database).delete("rtr_a", NOW)
    assert keep(database, replace(ROUTER, settings={}))
    assert {sums.half_life for sums in quality_of(database)} == {HalfLives().quality}
    assert rebuild_of(database).check() == []
    assert len(list(Ledger(database).export("rtr_a"))) == 12


def test_a_router_that_an_older_version_deleted_is_known_again_and_keeps_its_requests(empty_url: str) -> None:
    former = connect(empty_url, "normal")
    with former.write() as connection:
        schema.upgrade(connection, "0011")
        row = "INSERT INTO arms VALUES ('rtr_a', 'm/one', '', :signal, 5.0, :half_life, 1.0, 1.0, 1.0, 0)"
        for signal in Signal:
            half_life = min(half_life_of(OWN, signal), 1e300)
            connection.execute(text(row), {"signal": signal.value, "half_life": half_life})
    former.close()
    database = open_database(empty_url)
    (deleted,) = Routers(database).deleted()
    database.close()
    assert (deleted.id, deleted.settings) == ("rtr_a", {**SETTINGS, "retention_days": "forever"})


def quality_of(database: Database) -> list[Sums]:
    return [sums for key, sums in Arms(database).sums("rtr_a").items() if key.signal is Signal.QUALITY]
