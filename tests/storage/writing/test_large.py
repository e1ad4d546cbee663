"""Large things, and batches that take too long: they are written in parts, and nothing makes an outage without end."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bandit.statistics import Deltas, Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseTimeout, DatabaseUnavailable
from storage.records import CompletionRecord, Content
from storage.replication.changes import Changes, read_everything
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.resumptions import Resumptions
from storage.writing.batch import MOST_BYTES, size_of
from storage.writing.failover import MOST_PATIENCE, FailoverWriter, State
from storage.writing.spool import Spool
from storage.writing.spool_file import Owner
from storage.writing.transaction import Item, Transactions, Written
from storage.writing.writer import Committed, Writer
from tests.support.records import NOW, RecordMaker, RunningWriter, Start, learn_scores, pace, same_sums
from tests.support.waiting import wait_until

OWNER = Owner("led_1", lambda key_ids: True)


class Slow(Transactions):
    """Transactions that time out if `too_much` says so; keeps how many items and how much patience each one had."""

    def __init__(self, database: Database, too_much: Callable[[Sequence[Item], float], bool]) -> None:
        super().__init__(database, learn_scores, pace)
        self.tried: list[tuple[int, float]] = []
        self._too_much = too_much

    def write(self, items: Sequence[Item], *, again: bool = False, patience: float = 1.0) -> Written:
        self.tried.append((len(items), patience))
        if self._too_much(items, patience):
            raise DatabaseTimeout("no progress")
        return super().write(items, again=again, patience=patience)


class Counting(Watchdog):
    """A watchdog that counts the steps of progress."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def progress(self) -> None:
        self.steps += 1
        super().progress()


@pytest.fixture
def counting() -> Iterator[Counting]:
    watchdog = Counting()
    yield watchdog
    watchdog.close()


def recovered(failover: FailoverWriter) -> None:
    """Replay until the state is ok, as the writer's thread does."""

    def step() -> bool:
        failover.recover()
        return failover.state is State.OK

    wait_until(step, "everything is replayed")


def large(making: RecordMaker, count: int, content: bytes) -> list[Item]:
    return [making.completion(content=Content(content, b"answer")) for _ in range(count)]


def many_deltas(router_id: str, count: int) -> Deltas:
    return {
        StatisticKey(router_id, f"m/{number}", "", Signal.SUCCESS): Sums(NOW, 3_600.0, 1.0, 1.0, 1.0)
        for number in range(count)
    }


def test_a_batch_that_takes_too_long_is_halved_and_what_callers_would_wait_for_too_long_is_spooled(
    database: Database, making: RecordMaker, tmp_path: Path
) -> None:
    slow = Slow(database, lambda items, patience: len(items) > 10)
    failover = FailoverWriter(database, slow, Spool(tmp_path / "it-", OWNER))
    records = [making.completion() for _ in range(100)]
    assert failover.write(records).results == [()] * 100
    assert slow.tried == [(100, 1.0), (50, 1.0)], "callers wait for two limits, no more"
    assert failover.state is State.SPOOLING
    recovered(failover)
    assert [count for count, _ in slow.tried[2:5]] == [25, 12, 6]
    assert len(list(Ledger(database).export("rtr_a"))) == 100
    failover.close()


def test_after_a_timeout_the_second_half_follows_the_first_and_batches_grow_again(
    database: Database, making: RecordMaker, tmp_path: Path
) -> None:
    timeouts = [True]
    slow = Slow(database, lambda items, patience: bool(timeouts) and timeouts.pop())
    failover = FailoverWriter(database, slow, Spool(tmp_path / "it-", OWNER))
    records = [making.completion() for _ in range(100)]
    scores = [(making.score(record.decision.completion_id, 0.5),) for record in records[:40]]
    written = failover.write(records)
    assert slow.tried == [(100, 1.0), (50, 1.0), (50, 1.0)]
    assert (written.recorded, failover.state) == (100, State.OK)
    assert [len(receipts) for receipts in failover.write(scores).results if isinstance(receipts, tuple)] == [1] * 40
    failover.write([making.completion() for _ in range(100)])
    assert slow.tried[3:] == [(40, 1.0), (100, 1.0)]
    failover.close()


def test_what_was_committed_although_it_timed_out_is_not_written_again(
    database: Database, making: RecordMaker, tmp_path: Path
) -> None:
    class Late(Slow):
        def write(self, items: Sequence[Item], *, again: bool = False, patience: float = 1.0) -> Written:
            if len(items) > 10:
                Transactions.write(self, items, again=again, patience=patience)
            return super().write(items, again=again, patience=patience)

    late = Late(database, lambda items, patience: len(items) > 10)
    failover = FailoverWriter(database, late, Spool(tmp_path / "it-", OWNER))
    failover.write([making.completion(deltas=making.deltas("rtr_a", "m/one", "code", NOW)) for _ in range(40)])
    recovered(failover)
    assert len(list(Ledger(database).export("rtr_a"))) == 40
    assert Arms(database).sums()[StatisticKey("rtr_a", "m/one", "", Signal.OUTCOMES)].weight == 40.0
    failover.close()


def test_a_record_that_never_gets_through_is_set_aside_and_the_others_are_written(
    database: Database, making: RecordMaker, tmp_path: Path
) -> None:
    records = [making.completion() for _ in range(20)]
    stuck = records[7]
    slow = Slow(database, lambda items, patience: stuck in items)
    failover = FailoverWriter(database, slow, Spool(tmp_path / "it-", OWNER))
    failover.write(records)
    recovered(failover)
    written = {row["completion_id"] for row in Ledger(database).export("rtr_a")}
    assert written == {record.decision.completion_id for record in records} - {stuck.decision.completion_id}
    patience = [patience for count, patience in slow.tried if count == 1 and patience > 1.0]
    assert patience == [2.0, 4.0, MOST_PATIENCE]
    failover.close()


def test_large_contents_go_one_by_one_and_send_their_progress_block_by_block(
    database: Database, making: RecordMaker, counting: Counting
) -> None:
    content = os.urandom(5 * 2**20)
    (item,) = large(making, 1, content)
    assert size_of(item)[1] > MOST_BYTES
    transactions = Transactions(database, learn_scores, pace, None if database.sqlite else counting)
    transactions.write([item, making.completion()])
    transactions.close()
    assert database.sqlite or counting.steps > 2 * len(content) / 2**20
    assert isinstance(item, CompletionRecord)
    stored = Ledger(database).content(item.decision.completion_id)
    assert stored == Content(content, b"answer")


def test_a_transaction_takes_no_more_than_its_bounds_of_rows_and_bytes(database: Database, making: RecordMaker) -> None:
    commits: list[Committed] = []
    writer = Writer(database, learn_scores=learn_scores, pace=pace, deliver=commits.append)
    records = [making.completion() for _ in range(100)]
    scores = [tuple(making.score(each.decision.completion_id, 0.5) for each in records) for _ in range(30)]
    for item in [*records, *large(making, 6, b"x" * (MOST_BYTES // 2)), *scores, making.completion()]:
        writer.submit(item, None)
    writer.start()
    writer.close()
    sizes = [len(commit.results) for commit in commits]
    assert sum(sizes) == 137
    assert sizes[:4] == [100, 2, 2, 2], "two contents of 2 MB each fill one transaction"
    assert max(sizes[4:]) == 7, "as do seven lists of a hundred scores"


def test_a_hundred_thousand_statistics_are_written_and_followed_in_steps(
    database: Database, start_writer: Start, making: RecordMaker, counting: Counting
) -> None:
    transactions = Transactions(database, learn_scores, pace, None if database.sqlite else counting)
    transactions.write([making.completion(f"rtr_{n}", deltas=many_deltas(f"rtr_{n}", 2_500)) for n in range(8)])
    transactions.close()
    assert database.sqlite or counting.steps > 20, "at most 1,000 rows are one step"
    counting.steps = 0
    changes = Changes(database, None if database.sqlite else counting)
    found = changes.poll(None)
    changes.close()
    assert found is not None
    assert len(found.sums) == 20_000
    assert database.sqlite or counting.steps >= 10, "at most 2,000 rows are one step"


@pytest.mark.parametrize("page_rows", [1, 3, 8, 1_000])
def test_pages_of_any_size_add_up_to_everything(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch, page_rows: int
) -> None:
    running.write(*(making.completion(router, task=task) for router in ("rtr_a", "rtr_ä", "rtr_B") for task in "xYz"))
    monkeypatch.setattr("storage.replication.changes.PAGE_ROWS", page_rows)
    assert read_everything(database)[0].sums == Arms(database).sums()


def test_reading_that_takes_too_long_is_no_outage_and_is_tried_again_with_more_patience(
    database: Database, start_writer: Start, making: RecordMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[float] = []
    poll = Changes.poll

    def slow_poll(
        self: Changes, version: str | None, patience: float = 1.0, own_numbers: int = 0, *, is_folded: bool = True
    ) -> object:
        if self._database is not database:  # that of a writer of another test
            return poll(self, version, patience, own_numbers, is_folded=is_folded)
        asked.append(patience)
        if len(asked) <= 3:
            raise DatabaseTimeout("no progress")
        return poll(self, version, patience, own_numbers, is_folded=is_folded)

    monkeypatch.setattr(Changes, "poll", slow_poll)
    monkeypatch.setattr("storage.writing.follower.POSTGRESQL_SECONDS", 0.01)
    monkeypatch.setattr("storage.writing.follower.SQLITE_SECONDS", 0.01)
    running = start_writer(database, spool=Spool(tmp_path / "it-", OWNER))
    running.write(making.completion())
    wait_until(lambda: len(asked) > 3, "changes are read again")
    Resumptions(database).announce("p/a")
    wait_until(lambda: len(asked) > 4, "further changes are read")
    assert asked[:5] == [1.0, 2.0, 4.0, 4.0, 1.0]
    assert running.writer.state is State.OK


def test_the_largest_requests_and_lists_of_scores_are_written_by_the_database_itself(
    database: Database, start_writer: Start, making: RecordMaker, tmp_path: Path
) -> None:
    """Four requests of 15 MB with their contents made an outage without end on PostgreSQL."""
    running = start_writer(database, spool=Spool(tmp_path / "it-", OWNER))
    records = [making.completion() for _ in range(1_000)]
    running.write(*records, *large(making, 4, os.urandom(15 * 2**20)))
    lists = [tuple(making.score(each.decision.completion_id, n / 10) for each in records) for n in range(5)]
    running.write(*lists)
    assert running.writer.state is State.OK
    assert running.writer.spooled == 0
    running.until(lambda: same_sums(running.sums, Arms(database).sums()), "what is held is what the database has")


def test_scores_that_take_too_long_are_refused_like_in_any_outage(
    database: Database, making: RecordMaker, tmp_path: Path
) -> None:
    slow = Slow(database, lambda items, patience: any(isinstance(item, tuple) for item in items))
    failover = FailoverWriter(database, slow, Spool(tmp_path / "it-", OWNER))
    record = making.completion()
    failover.write([record])
    (result,) = failover.write([(making.score(record.decision.completion_id, 0.5),)]).results
    assert isinstance(result, DatabaseUnavailable)
    recovered(failover)
    failover.close()
