"""Records that wait for their commit come together, and none is lost on the way to the writer."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.catalog.catalog import Catalog
from gateway.errors import Unavailable
from gateway.recorder import Recorder
from gateway.routing.publisher import Publisher
from gateway.settings import load
from storage.database.engine import Database
from storage.errors import WriterFull
from storage.tables import decisions
from storage.writing.failover import FailoverWriter
from storage.writing.transaction import Item
from storage.writing.writer import BATCH_LIMIT, Committed, Writer
from tests.support.recorder import recording
from tests.support.records import NOW, RecordMaker


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog of no models: a record is written whatever it names."""
    path = tmp_path / "bandit-gateway.toml"
    path.write_text("")
    return Catalog(load(path, {}), datetime.fromtimestamp(NOW, UTC))


@pytest.fixture
def making() -> RecordMaker:
    return RecordMaker()


def recorded(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(decisions)).scalar_one()


async def test_what_is_submitted_in_two_turns_is_committed_together(
    database: Database, catalog: Catalog, making: RecordMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    deliver = Recorder._committed

    def count(self: Recorder, committed: Committed) -> None:
        handed.append(len(committed.results))
        deliver(self, committed)

    monkeypatch.setattr(Recorder, "_committed", count)
    async with recording(database, catalog, tmp_path) as (recorder, _):
        waiting = []
        for _turn in range(2):
            waiting += [recorder.completion(making.completion("rtr_a", "p/one")) for _ in range(3)]
            assert recorder.queued == len(waiting)
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
    assert sum(handed) == len(waiting)
    # The writer may take the first before the others are handed over; without turns it takes each by itself.
    assert len(handed) <= 2


async def test_an_answer_goes_out_before_snapshots_are_renewed(
    database: Database, catalog: Catalog, making: RecordMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    noted = asyncio.Event()

    def note(_: Publisher, router_ids: Iterable[str]) -> None:
        happened.extend(router_ids)
        noted.set()

    monkeypatch.setattr(Publisher, "note", note)
    async with recording(database, catalog, tmp_path) as (recorder, _):
        await recorder.completion(making.completion("rtr_a", "p/one"))
        happened.append("answer")
        await noted.wait()
    assert happened == ["answer", "rtr_a"]


async def test_a_stop_writes_what_was_submitted_in_the_same_turn(
    database: Database, catalog: Catalog, making: RecordMaker, tmp_path: Path
) -> None:
    async with recording(database, catalog, tmp_path) as (recorder, _):
        waiting = [recorder.completion(making.completion("rtr_a", "p/one")) for _ in range(3)]
        await recorder.close()
        assert recorder.queued == 0
        await asyncio.gather(*waiting)
        with pytest.raises(Unavailable):  # after the stop
            await recorder.completion(making.completion("rtr_a", "p/one"))
    assert recorded(database) == 3


async def test_a_request_that_nobody_waits_for_any_more_is_recorded(
    database: Database, catalog: Catalog, making: RecordMaker, tmp_path: Path
) -> None:
    async with recording(database, catalog, tmp_path) as (recorder, _):
        gone, there = [recorder.completion(making.completion("rtr_a", "p/one")) for _ in range(2)]
        gone.cancel()
        await there
    assert recorded(database) == 2


async def test_records_that_fill_a_transaction_wait_for_no_others(
    database: Database, catalog: Catalog, making: RecordMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, handed = Writer.submit, []

    def count(self: Writer, item: Item, token: object) -> None:
        handed.append(item)
        submit(self, item, token)

    monkeypatch.setattr(Writer, "submit", count)
    async with recording(database, catalog, tmp_path) as (recorder, _):
        waiting = [recorder.completion(making.completion("rtr_a", "p/one")) for _ in range(BATCH_LIMIT + 1)]
        assert len(handed) == BATCH_LIMIT
        await asyncio.gather(*waiting)
    assert recorded(database) == BATCH_LIMIT + 1


async def test_a_full_queue_refuses_each_record_that_it_has_no_room_for(
    database: Database, catalog: Catalog, making: RecordMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, left = Writer.submit, [2]

    def submit_two(self: Writer, item: Item, token: object) -> None:
        if not left[0]:
            raise WriterFull("full")
        left[0] -= 1
        submit(self, item, token)

    async with recording(database, catalog, tmp_path) as (recorder, _):
        monkeypatch.setattr(Writer, "submit", submit_two)
        waiting = [recorder.completion(making.completion("rtr_a", "p/one")) for _ in range(4)]
        waiting[3].cancel()
        await asyncio.gather(*waiting[:2])
        with pytest.raises(Unavailable, match="queue is full"):
            await waiting[2]
    assert recorded(database) == 2


async def test_without_a_wait_for_the_commit_a_lost_record_is_logged_once(
    database: Database,
    catalog: Catalog,
    making: RecordMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(self: FailoverWriter, items: object) -> None:
        raise RuntimeError("broken")

    async with recording(database, catalog, tmp_path, durable=False) as (recorder, _):
        monkeypatch.setattr(FailoverWriter, "write", broken)
        assert recorder.completion(making.completion("rtr_a", "p/one")).done()
    assert caplog.text.count("a completion could not be recorded") == 1
