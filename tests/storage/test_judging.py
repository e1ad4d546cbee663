"""What judges cost is counted apart from all requests, and every process hears of it."""

import time
from collections.abc import Mapping

from bandit.types import Epoch
from storage.calendar import day_of
from storage.database.engine import Database
from storage.judging import Judging
from storage.records import JudgingRecord, Purpose
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.clamping import MOST_TOKENS
from tests.support.databases import Opening
from tests.support.records import RunningWriter, Start


def called(at: float, cost_usd: float, *, purpose: Purpose = Purpose.JUDGE, scored: bool = True) -> JudgingRecord:
    return JudgingRecord("rtr_a", purpose, "m/judge", Epoch(at), scored, 2**62, 50, cost_usd)


def test_a_judges_calls_are_counted_apart_and_every_process_hears_of_their_cost(
    database: Database, running: RunningWriter, start_writer: Start, ledger_url: str, opening: Opening
) -> None:
    now = time.time() - 1.0
    other = start_writer(opening(ledger_url))
    running.write(called(now, 0.25), called(now, 0.5, scored=False), called(now, 2.0, purpose=Purpose.SHADOW))
    running.write(called(now, 1.0))
    spent = {("rtr_a", "judge", day_of(Epoch(now))): 1.75, ("rtr_a", "shadow", day_of(Epoch(now))): 2.0}
    assert read_everything(database)[0].judging_usd == spent
    assert sum(usd for commit in running.commits for usd in commit.judging_usd.values()) == 3.75

    def heard() -> Mapping[tuple[str, str, int], float]:
        return {key: usd for changed in other.changes for key, usd in changed.judging_usd.items()}

    other.until(lambda: heard() == spent, "the other process hears of all that was spent")
    assert Ledger(database).judging("rtr_a", Epoch(now)) == [
        Judging(Purpose.JUDGE, "m/judge", 3, 2, 3 * MOST_TOKENS, 150, 1.75),
        Judging(Purpose.SHADOW, "m/judge", 1, 1, MOST_TOKENS, 50, 2.0),
    ]
    assert Ledger(database).traffic("rtr_a", Epoch(now)) == {}, "no request, and no model's cost"
    assert Arms(database).sums("rtr_a") == {}
