"""A comparison scores an answer and a second model's to the same request: both or none, and the ledger adds up."""

import pytest

from bandit.statistics import Signal, StatisticKey
from storage.database.engine import Database
from storage.errors import CompletionNotFound
from storage.maintenance.rebuild import Rebuild
from storage.records import ComparisonRecord, CompletionRecord, Shadow
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.transaction import Item, Transactions
from tests.support.records import RecordMaker, RunningWriter, half_life, later, learn_scores, pace

ANSWERED, SECOND = (StatisticKey("rtr_a", model_id, "code", Signal.QUALITY) for model_id in ("m/one", "m/two"))


def compared(making: RecordMaker, record: CompletionRecord, score: float, second: float) -> ComparisonRecord:
    return ComparisonRecord(making.score(record.decision.completion_id, score, source="judge"), "m/two", second)


def test_both_models_get_their_score_and_a_rebuild_finds_the_same(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    running.write(record)
    before = Ledger(database).traffic("rtr_a", record.decision.at)
    (receipts,) = running.write(compared(making, record, 0.25, 0.75))
    assert [(each.model_id, each.source, each.score) for each in receipts] == [("m/one", "judge", 0.25)]
    running.write(compared(making, record, 0.25, 1.0))  # only the first counts
    sums = Arms(database).sums("rtr_a")
    assert [(sums[key].weight, sums[key].total) for key in (ANSWERED, SECOND)] == [(1.0, 0.25), (1.0, 0.75)]
    assert running.sums[SECOND] == sums[SECOND]
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert (view.shadow, dict(view.scores.by_source)) == (Shadow("m/two", 0.75), {"judge": 0.25})
    assert Ledger(database).traffic("rtr_a", record.decision.at) == before, "nothing of it is traffic"
    assert Rebuild(database, learn_scores, half_life).check("rtr_a") == []


def test_a_comparison_of_an_unknown_request_counts_nothing_and_others_beside_it_do(
    database: Database, making: RecordMaker
) -> None:
    known, unknown = making.completion(), making.completion()
    late = compared(making, known, 0.5, 0.5)
    transactions = Transactions(database, learn_scores, pace, clock=lambda: later(-1e9))
    results = transactions.write([known, compared(making, unknown, 1.0, 1.0), late]).results
    transactions.close()
    assert isinstance(results[1], CompletionNotFound)
    assert Arms(database).sums("rtr_a")[SECOND].weight == 1.0
    view = Ledger(database).decision(known.decision.completion_id)
    assert view is not None
    assert view.feedback[0].at == later(-1e9), "its time is clamped like any other's"


@pytest.mark.parametrize("apart", [False, True])
def test_a_comparison_that_is_written_again_adds_nothing(database: Database, making: RecordMaker, apart: bool) -> None:
    record = making.completion()
    items: list[Item] = [record, compared(making, record, 0.5, 1.0)]
    transactions = Transactions(database, learn_scores, pace)
    for part in [items[:1], items[1:]] if apart else [items]:
        transactions.write(part)
    before = Arms(database).sums()
    assert transactions.write(items, again=True).deltas == {}
    transactions.close()
    assert Arms(database).sums() == before
