"""Roll-ups: what requests and scores add to activity, to the sums of savings and to the usage of keys."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Dialect

from bandit.types import Attempt, Scores
from storage.activity import COUNTS, ActivityCounts
from storage.calendar import DAY, MINUTE
from storage.database.addition import add_counts
from storage.database.bulk import Cursor
from storage.fixed_sums import SUMS, Draw, FixedSums
from storage.key_usage import USED, UsageCounts, usage_rows
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord
from storage.tables import activity, fixed_sums, key_usage


class ScoreChange(NamedTuple):
    """The scores of a completion have become other ones.

    `in_activity`: its request is counted there (versions without activity wrote some). `draw`: see `draw_of`.
    """

    before: Scores
    after: Scores
    in_activity: bool
    draw: Draw | None


class RollUps:
    """The sums of many requests and scores."""

    __slots__ = ("activity", "fixed", "usage")

    def __init__(self, records: Iterable[CompletionRecord] = (), changes: Iterable[ScoreChange] = ()) -> None:
        self.activity, self.fixed, self.usage = ActivityCounts(), FixedSums(), UsageCounts()
        for record in records:
            self.add_request(record.decision, record.outcome, record.attempts)
        for change in changes:
            self.add_scores(change)

    def totals(self) -> Iterator[float]:
        """The total of each cell's numbers, which is finite if all of them are."""
        return map(sum, chain(self.activity.numbers(), self.fixed.cells().values(), self.usage.numbers()))

    def add_request(self, decision: DecisionRecord, outcome: OutcomeRecord, attempts: Sequence[Attempt]) -> None:
        """Add one request with its attempts."""
        self.activity.add_request(decision, outcome, attempts)
        self.fixed.add_request(decision, outcome, attempts)
        self.usage.add_request(decision, outcome)

    def add_scores(self, change: ScoreChange) -> None:
        """Add a change of scores."""
        if change.in_activity:
            self.activity.add_scores(change.before, change.after)
        if change.draw is not None:
            self.fixed.add_scores(change.draw, change.before, change.after)


class RollUpStatements:
    """The statements that add roll-ups to the tables, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        self._activity = add_counts(activity, dialect, COUNTS, sparse=True)
        self._fixed_sums = add_counts(fixed_sums, dialect, SUMS, sparse=True)
        self._key_usage = add_counts(key_usage, dialect, USED)

    def add(self, cursor: Cursor, sums: RollUps) -> None:
        """Add the sums. The transaction has drawn its number."""
        self._activity.write(cursor, sums.activity.rows())
        self._fixed_sums.write(cursor, sums.fixed.rows())
        self._key_usage.write(cursor, usage_rows(sums.usage.cells()))


def spend_usd(records: Iterable[CompletionRecord]) -> dict[tuple[str, int], float]:
    """Dollars of requests by router and UTC day."""
    spend: dict[tuple[str, int], float] = {}
    for record in records:
        if record.attempts:
            day = int(record.outcome.ended_at // MINUTE) * MINUTE // DAY  # as in activity
            key = (record.decision.router_id, day)
            spent = spend.get(key, 0.0)
            for attempt in record.attempts:
                spent += attempt.cost_usd
            spend[key] = spent
    return spend
