"""The one writer: groups, a bounded queue, everything written at the end, and nobody's failure is another's."""

import threading

import pytest

from bandit.statistics import Deltas
from bandit.types import BudgetState, Scores
from storage.database.engine import Database
from storage.errors import RecordRefused, WriterFull
from storage.replication.changes import Changed
from storage.stores.ledger import Ledger
from storage.writing.failover import State
from storage.writing.transaction import Item, Written
from storage.writing.writer import Committed, Writer
from tests.support.records import RecordMaker, RunningWriter, learn_scores, pace
from tests.support.waiting import wait_until


class Gate:
    """Holds the writer's thread in its first delivery until it is opened."""

    def __init__(
        self, database: Database, queue_limit: int = 10_000, batch_limit: int = 100, gather_seconds: float = 0.0
    ) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self.commits: list[Committed] = []
        self.writer = Writer(
            database,
            learn_scores=learn_scores,
            pace=pace,
            deliver=self.deliver,
            queue_limit=queue_limit,
            batch_limit=batch_limit,
            gather_seconds=gather_seconds,
        )
        self.writer.start()

    def deliver(self, committed: Committed) -> None:
        self.commits.append(committed)
        self.entered.set()
        assert self.open.wait(60)

    def hold(self, making: RecordMaker) -> None:
        self.writer.submit(making.completion(), None)
        assert self.entered.wait(60)

    def finish(self) -> list[int]:
        self.open.set()
        self.writer.close()
        return [len(committed.results) for committed in self.commits]


def test_what_waits_is_committed_in_groups_no_larger_than_the_limit(database: Database, making: RecordMaker) -> None:
    gate = Gate(database, batch_limit=10)
    gate.hold(making)
    for _ in range(25):
        gate.writer.submit(making.completion(), None)
    assert gate.finish() == [1, 10, 10, 5]


def test_a_record_waits_for_others_if_nobody_waits_for_it(database: Database, making: RecordMaker) -> None:
    gate = Gate(database, gather_seconds=1.0)
    gate.writer.submit(making.completion(), None)
    wait_until(lambda: gate.writer.queued == 0, "the first one was taken")
    gate.writer.submit(making.completion(), None)
    assert gate.finish() == [2]


def test_a_full_queue_refuses_and_keeps_what_it_has(database: Database, making: RecordMaker) -> None:
    gate = Gate(database, queue_limit=3)
    gate.hold(making)
    for _ in range(3):
        gate.writer.submit(making.completion(), None)
    with pytest.raises(WriterFull, match="3 records wait"):
        gate.writer.submit(making.completion(), None)
    assert gate.writer.queued == 3
    assert sum(gate.finish()) == 4


def test_closing_writes_everything_that_was_submitted(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    futures = [running.submit(making.completion()) for _ in range(500)]
    running.writer.close()
    assert all(future.done() and future.result() == () for future in futures)
    assert len(list(Ledger(database).export("rtr_a"))) == 500
    with pytest.raises(WriterFull, match="closed"):
        running.writer.submit(making.completion(), None)


def test_results_come_in_the_order_of_the_items_with_their_tokens(running: RunningWriter, making: RecordMaker) -> None:
    records = [making.completion() for _ in range(30)]
    running.write(*records, *((making.score(record.decision.completion_id, 0.5),) for record in records))
    tokens = [token for committed in running.commits for token, _ in committed.results]
    assert len(tokens) == len(set(map(id, tokens))) == 60


def test_a_rule_that_fails_fails_its_own_scores_alone(database: Database, making: RecordMaker) -> None:
    def learn(before: Scores, after: Scores) -> Deltas:
        if 0.5 in after.by_source.values():
            raise ZeroDivisionError("a bug in the rule")
        return learn_scores(before, after)

    running = RunningWriter(database, learn=learn)
    record = making.completion()
    items: list[Item] = [
        record,
        (making.score(record.decision.completion_id, 0.5),),
        (making.score(record.decision.completion_id, 0.9),),
    ]
    futures = [running.submit(item) for item in items]
    assert isinstance(futures[1].exception(60), RecordRefused)
    assert [futures[0].result(60), futures[2].result(60)[0].score] == [(), 0.9]
    running.writer.close()


def test_the_thread_outlives_a_listener_that_fails(database: Database, making: RecordMaker) -> None:
    delivered: list[Committed] = []

    def deliver(committed: Committed) -> None:
        delivered.append(committed)
        raise RuntimeError("a bug in the listener")

    writer = Writer(database, learn_scores=learn_scores, pace=pace, deliver=deliver, batch_limit=1)
    writer.start()
    for _ in range(3):
        writer.submit(making.completion(), None)
    writer.close()
    assert len(delivered) == 3


def test_what_a_listener_failed_to_take_is_read_from_the_database(database: Database, making: RecordMaker) -> None:
    told: list[Changed] = []

    def deliver(committed: Committed) -> None:
        raise RuntimeError("a bug in the listener")

    writer = Writer(database, learn_scores=learn_scores, pace=pace, deliver=deliver, follow=told.append)
    writer.start()
    wait_until(lambda: len(told) == 1, "the empty ledger is told")
    record = making.completion()
    writer.submit(record, None)
    wait_until(lambda: len(told) == 2, "the ledger is told anew")
    writer.close()
    assert told[1].everything
    assert told[1].sums == record.deltas


def test_a_writer_at_work_is_ok(running: RunningWriter, making: RecordMaker) -> None:
    running.write(making.completion())
    assert running.writer.state is State.OK
    assert (running.writer.queued, running.writer.spooled) == (0, 0)


def test_routers_without_a_budget_are_asked_and_left_alone(database: Database, making: RecordMaker) -> None:
    asked: list[str] = []

    def no_budget(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        asked.append(router_id)
        return None

    commits: list[Committed] = []
    writer = Writer(database, learn_scores=learn_scores, pace=no_budget, deliver=commits.append)
    writer.start()
    writer.submit(making.completion("rtr_x"), None)
    writer.close()
    assert asked == ["rtr_x"]
    assert [committed.budgets for committed in commits] == [{}]


def test_a_writer_that_can_t_finish_is_left_after_its_time_and_says_what_is_lost(
    database: Database, making: RecordMaker, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(database)
    gate.hold(making)
    for _ in range(3):
        gate.writer.submit(making.completion(), None)
    assert not gate.writer.close(seconds=0.05)
    assert "has not stopped within 0.05 s: 3 records or more are not written" in caplog.text
    gate.finish()


def test_a_thread_that_has_ended_or_is_stuck_is_a_problem(
    database: Database, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(database)
    gate.hold(making)
    at_work = gate.writer.problem
    monkeypatch.setattr("storage.writing.writer.SILENT_SECONDS", -1.0)
    stuck = gate.writer.problem
    assert at_work is None
    assert stuck is not None
    assert "has been stuck for" in stuck
    gate.finish()

    def end(self: Writer) -> None:
        """As if an error had got through."""

    monkeypatch.setattr(Writer, "_run", end)
    ended = Writer(database, learn_scores=learn_scores, pace=pace, deliver=lambda committed: None)
    ended.start()
    ended._thread.join(60)
    assert ended.problem is not None
    assert "has ended" in ended.problem


def test_the_thread_outlives_results_that_do_not_fit(
    database: Database, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = RunningWriter(database)
    monkeypatch.setattr(running.writer._failover, "write", lambda items: Written([]))
    running.submit(making.completion())
    monkeypatch.undo()
    running.write(making.completion())
    running.writer.close()
