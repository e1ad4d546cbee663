"""Compares what a client was told with the ledger: what is missing, and what the statistics count twice."""

from dataclasses import dataclass

from bandit.statistics import Signal, StatisticKey, Sums
from gateway.maintenance.rebuild import rebuild_of
from storage.database.engine import Database
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.usage import UsageRebuild
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from tests.reliability.durability.client import Memory


@dataclass(frozen=True, slots=True)
class Audit:
    """Acknowledged answers and scores that are missing, outcomes counted twice, and whether the ledger adds up.

    `rebuild_equal`: to the statistics, and with what is pending to activity, usage by key and the sums of savings.
    """

    lost: int
    counted_twice: int
    rebuild_equal: bool


def audit(database: Database, router_id: str, memory: Memory) -> Audit:
    """Compare what a client was told, the ledger, and the statistics."""
    kept = {row["completion_id"] for row in Ledger(database).export(router_id)}
    lost = len(memory.completions - kept)
    current = _current_scores(database, memory)
    for key, score in memory.scores.items():
        possible = {score} | memory.unsure.get(key, set())
        lost += current.get(key) not in possible
    outcomes = sum(sums.weight for key, sums in Arms(database).sums(router_id).items() if key.signal is Signal.OUTCOMES)
    differences = rebuild_of(database).check(router_id)
    folded = outcomes - sum(_excess(difference.kept, difference.folded, difference.key) for difference in differences)
    roll_ups = [
        *ActivityRebuild(database).check(router_id),
        *FixedSumsRebuild(database).check(router_id),
        *UsageRebuild(database).check(),
    ]
    return Audit(lost, max(round(outcomes - folded), 0), not differences and not roll_ups)


def _current_scores(database: Database, memory: Memory) -> dict[tuple[str, str], float]:
    ledger = Ledger(database)
    found: dict[tuple[str, str], float] = {}
    for completion_id in {completion_id for completion_id, _ in memory.scores}:
        view = ledger.decision(completion_id)
        for feedback in view.feedback if view else ():
            found[completion_id, feedback.source] = feedback.score  # the oldest first: the last one counts
    return found


def _excess(kept: Sums | None, folded: Sums | None, key: StatisticKey) -> float:
    if key.signal is not Signal.OUTCOMES:
        return 0.0
    return (kept.weight if kept else 0.0) - (folded.weight if folded else 0.0)
