"""A replica tells others that its spool is used, also by its silence, and what its machine's clock shows."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from bandit.types import Epoch
from gateway.errors import NotFound
from gateway.maintenance import heartbeat as beating
from gateway.maintenance.heartbeat import OVERDUE_SECONDS, Heartbeat
from gateway.maintenance.unmatched import UnmatchedCounter
from storage.database.clock import DatabaseClock
from storage.database.engine import Database
from storage.records import KeyRecord
from storage.stores.keys import Keys
from storage.stores.replicas import FORGOTTEN_SECONDS, Replica, Replicas
from storage.stores.unmatched import Unmatched
from storage.tables import activity, replicas
from tests.support.databases import Opening
from tests.support.waiting import wait_until

Beat = Callable[..., Awaitable[Heartbeat]]


@pytest.fixture(autouse=True)
def beating_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beating, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(beating, "LOOK_SECONDS", 0.05)


@pytest.fixture
async def beat(ledger_url: str, opening: Opening, tmp_path: Path) -> AsyncIterator[Beat]:
    """Starts heartbeats, each as of another process, and stops them."""
    async with contextlib.AsyncExitStack() as stack:
        used, unmatched = {"key_1": 1_760_000_000.0}, UnmatchedCounter()
        unmatched.note("key_1", NotFound("there is none", code="completion_not_found"), Epoch(1_760_000_000.0))

        async def start(
            spooling: Callable[[], bool] = lambda: False, *, wall: Callable[[], float] = time.time
        ) -> Heartbeat:
            database = opening(ledger_url)
            database.clock = DatabaseClock(wall)
            heartbeat = await stack.enter_async_context(Heartbeat(database, version="1", spool=tmp_path / "it."))
            heartbeat.start(spooling, used.copy, unmatched.take)
            return heartbeat

        yield start


def stored(database: Database) -> list[Replica]:
    """The rows, without that of a replica that only looks."""
    watcher = replica("rep_watcher", time.time())
    found = Replicas(database).beat(watcher)
    Replicas(database).remove(watcher.id)
    return [each for each in found if each.id != watcher.id]


def insert(database: Database, row: Replica) -> None:
    """Insert a row as another process did."""
    with database.write() as connection:
        connection.execute(replicas.insert().values(asdict(row)))


def replica(replica_id: str, heartbeat_at: float, spooling_since: float | None = None, **values: object) -> Replica:
    given = {"host": "elsewhere", "pid": 1, "version": "1", "spool": "/it.", "clock_ahead_seconds": 0.0, **values}
    return Replica(
        id=replica_id,
        started_at=Epoch(heartbeat_at),
        heartbeat_at=Epoch(heartbeat_at),
        spooling_since=spooling_since,
        **given,  # type: ignore[arg-type]
    )


async def test_replicas_are_counted_and_the_last_use_of_keys_is_noted(
    database: Database, beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beating, "NOTED_SECONDS", 0.0)
    Keys(database).add(KeyRecord("key_1", "a", "bot", ("routing",), None, 0.0))
    Keys(database).add(KeyRecord("key_2", "b", "bot", ("routing",), None, 0.0))
    insert(database, replica("rep_overdue", time.time() - 60.0))
    first = await beat()
    await beat()
    await asyncio.to_thread(wait_until, lambda: first.replica_count() == 2, "both are counted, and no dead one")
    await asyncio.to_thread(wait_until, lambda: bool(Keys(database).last_used()), "it is noted")
    assert Keys(database).last_used() == {"key_1": 1_760_000_000.0}
    await asyncio.to_thread(wait_until, lambda: bool(Unmatched(database).since(0, 9)), "unmatched scores are noted")
    Keys(database).note_use({"key_1": 1.0})
    assert Keys(database).last_used(["key_1"]) == {"key_1": 1_760_000_000.0}, "another process noted a later use"


async def test_while_another_replica_spools_any_completion_since_may_be_in_its_spool(
    database: Database, beat: Beat
) -> None:
    spooling = [False]
    here = await beat()
    await beat(lambda: spooling[0])
    now = time.time()
    wait_until(lambda: [each.spooling_since for each in here._replicas] == [None] * 2, "both spools are known as empty")
    spooling[0] = True
    wait_until(lambda: here.may_be_spooled(now - 61.0), "the other's spool is known to be used")
    assert not here.may_be_spooled(now - 2 * beating.LONGEST_REQUEST_SECONDS), "that was recorded long before"
    spooling[0] = False
    wait_until(lambda: not here.may_be_spooled(now - 61.0), "the other's spool is known to be empty again")


async def test_a_replica_may_hold_what_came_before_it_has_adopted_what_dead_ones_left(beat: Beat) -> None:
    adopting = [True]
    here = await beat()
    other = await beat(lambda: adopting[0])
    assert other.may_be_spooled(0.0)
    wait_until(lambda: here.may_be_spooled(0.0), "the other's start is known")
    adopting[0] = False
    wait_until(lambda: not here.may_be_spooled(time.time()), "nothing was adopted")


@pytest.mark.parametrize("silent_seconds", [OVERDUE_SECONDS + 1.0, OVERDUE_SECONDS - 5.0])
async def test_a_replica_that_is_not_heard_of_may_be_spooling(
    database: Database, beat: Beat, silent_seconds: float
) -> None:
    """It does not reach the database, or was killed: its row says that all is well."""
    now = time.time()
    here = await beat()
    insert(database, replica("rep_silent", now - silent_seconds))
    wait_until(lambda: "rep_silent" in {each.id for each in here._replicas}, "the silent one is known")
    overdue = silent_seconds > OVERDUE_SECONDS
    assert here.may_be_spooled(now - 61.0) == overdue
    assert not here.may_be_spooled(now - silent_seconds - 2 * beating.LONGEST_REQUEST_SECONDS)


async def test_whoever_adopts_a_dead_processs_spool_speaks_for_it_and_deletes_its_row_when_all_is_written(
    database: Database, beat: Beat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    now = time.time()
    place = {"host": "here", "spool": str(tmp_path / "it.")}
    insert(database, replica("rep_dead", now - 1.0, None, **place, pid=2**22 + 1))
    insert(database, replica("rep_elsewhere", now - 1.0, None, pid=2**22 + 1))
    holding = [True]
    heir = await beat(lambda: holding[0])
    wait_until(lambda: len(heir._replicas) == 3, "the dead one is known")
    assert {each.id for each in stored(database)} > {"rep_dead", "rep_elsewhere"}
    holding[0] = False
    wait_until(lambda: "rep_dead" not in {each.id for each in stored(database)}, "the dead one's row is deleted")
    assert "rep_elsewhere" in {each.id for each in stored(database)}


async def test_rows_go_with_a_clean_stop_and_a_day_after_the_last_heartbeat(
    database: Database, ledger_url: str, opening: Opening, tmp_path: Path
) -> None:
    now = time.time()
    insert(database, replica("rep_old", now - FORGOTTEN_SECONDS - 60.0))
    for spooling in (False, True):
        async with Heartbeat(opening(ledger_url), version="1", spool=tmp_path / "it.") as heartbeat:
            heartbeat.start(lambda spooling=spooling: spooling, dict, dict)  # type: ignore[misc]
            assert [each.version for each in stored(database)] == ["1"]
    (left,) = stored(database)
    assert left.spooling_since is not None, "a spool that is not empty is told of"


async def test_a_machine_whose_clock_is_off_says_so_and_its_events_are_on_time(database: Database, beat: Beat) -> None:
    year = 365 * 86_400.0
    right, ahead, behind = await beat(), await beat(wall=lambda: time.time() + year), await beat(wall=lambda: 0.0)
    assert right.remarks() == []
    assert [len(each.remarks()) for each in (ahead, behind)] == [1, 1]
    assert "31,536,000 s ahead of the database's" in ahead.remarks()[0]
    assert "behind the database's" in behind.remarks()[0]
    assert max(each.heartbeat_at for each in stored(database)) < time.time() + 60.0


async def test_requests_of_the_future_are_told_with_the_remedy(
    database: Database, beat: Beat, caplog: pytest.LogCaptureFixture
) -> None:
    counts = dict.fromkeys(activity.columns.keys(), 0) | {"router_id": "rtr_a", "model_id": "m", "task": "t"}
    with database.write() as connection:
        connection.execute(activity.insert().values({**counts, "width": 60, "start": 4_000_000_020}))
    (remark,) = (await beat()).remarks()
    assert "requests are recorded as of 2096-10-02 07:07 UTC" in remark
    assert "bandit-gateway rebuild --move-back" in caplog.text
