"""What is found out of an answer after its outcome was written counts once, and the ledger still adds up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.maintenance.rebuild import Rebuild
from storage.records import CompletionRecord, ValidityRecord
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.transaction import Item, Transactions
from tests.support.records import RecordMaker, RunningWriter, half_life, learn_scores, pace

VALIDITY = StatisticKey("rtr_a", "m/one", "", Signal.VALIDITY)


def found(record: CompletionRecord, valid: bool) -> ValidityRecord:
    outcome, router_id = record.outcome, record.decision.router_id
    key = StatisticKey(router_id, outcome.model_id or "", "", Signal.VALIDITY)
    one = Sums(outcome.ended_at, half_life(router_id, Signal.VALIDITY), 1.0, float(valid), float(valid))
    return ValidityRecord(record.decision.completion_id, valid, {key: one})


def noted(database: Database, record: CompletionRecord) -> bool | None:
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    return view.outcome.valid


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12), st.booleans())
@settings(max_examples=15, deadline=None)
def test_only_the_first_finding_counts_and_the_statistics_equal_the_fold(
    shared_ledger: tuple[Database, RunningWriter, RecordMaker], findings: list[tuple[int, bool]], at_once: bool
) -> None:
    database, running, making = shared_ledger
    router_id = f"rtr_v{making.number()}"
    records = [making.completion(router_id) for _ in range(5)]
    late = [found(records[index], valid) for index, valid in findings]
    if at_once:
        running.write(*records, *late)
    else:
        running.write(*records)
        for record in late:
            running.write(record)
    told = {record.decision.completion_id for record in records if noted(database, record) is not None}
    assert told == {record.completion_id for record in late}
    sums = Arms(database).sums(router_id).get(StatisticKey(router_id, "m/one", "", Signal.VALIDITY))
    life, latest = half_life(router_id, Signal.VALIDITY), records[-1].outcome.ended_at
    ages = [latest - record.outcome.ended_at for record in records if record.decision.completion_id in told]
    weight = sums.faded_to(latest).weight if sums else 0.0
    assert weight == pytest.approx(sum(2.0 ** (-age / life) for age in ages))
    assert Rebuild(database, learn_scores, half_life).check(router_id) == []


def test_the_first_finding_is_kept(database: Database, running: RunningWriter, making: RecordMaker) -> None:
    record = making.completion()
    running.write(record)
    assert noted(database, record) is None
    running.write(found(record, False))
    running.write(found(record, True))
    assert noted(database, record) is False
    kept = Arms(database).sums()[VALIDITY]
    assert (kept.weight, kept.total, kept.squares) == (1.0, 0.0, 0.0)
    assert running.sums[VALIDITY] == kept


def test_a_batch_that_is_written_again_adds_nothing(database: Database, making: RecordMaker) -> None:
    """A connection may be lost when the commit has come through, and nobody has heard of it."""
    record = making.completion()
    items: list[Item] = [record, found(record, True)]
    batches = Transactions(database, learn_scores, pace)
    batches.write(items)
    before = Arms(database).sums()
    assert batches.write(items, again=True).deltas == {}
    batches.close()
    assert Arms(database).sums() == before


def test_a_finding_about_nothing_changes_nothing(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(found(making.completion(), True))
    assert Arms(database).sums() == {}
