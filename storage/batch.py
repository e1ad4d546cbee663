"""Writes a batch of completions and scores, and what they teach, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Dialect, case, insert, select

from bandit.types import BudgetState, StatisticKey, Sums
from storage.addition import add_counts, add_sums, upsert
from storage.bulk import Bulk
from storage.direct import Direct
from storage.engine import Database
from storage.errors import DatabaseUnavailable, FeedbackError
from storage.learned import Gathered, encode_deltas
from storage.memory import Memory, Recall
from storage.pacing import Pace, pace_budgets
from storage.records import CompletionRecord, FeedbackReceipt, FeedbackRecord
from storage.revisions import Topic, count_change
from storage.rows import attempt_row, decision_row
from storage.scoring import LearnScores, Scoring
from storage.tables import arms, attempts, choices, contents, decisions, feedback, scores, tasks, traffic
from storage.traffic import COUNTS, GatheredTraffic

Item: TypeAlias = CompletionRecord | tuple[FeedbackRecord, ...]
"""What is written: a request, or a list of scores that counts all or none."""

Result: TypeAlias = tuple[FeedbackReceipt, ...] | Exception
"""What came of an item: receipts of its scores (none for a completion), or why it was not written."""


@dataclass(slots=True)
class Written:
    """What a transaction did: the items' results in order, and what it added to the statistics."""

    results: list[Result]
    deltas: dict[StatisticKey, Sums] = field(default_factory=dict)
    budgets: dict[str, BudgetState] = field(default_factory=dict)


class Batches:
    """Writes batches through one connection, which is opened when it is needed. For one thread."""

    def __init__(self, database: Database, learn_scores: LearnScores, pace: Pace) -> None:
        self._database = database
        self._learn_scores = learn_scores
        self._pace = pace
        self._statements = _Statements(database.engine.dialect)
        self._memory = Memory()
        self._direct: Direct | None = None

    def write(self, items: Sequence[Item], *, again: bool = False) -> Written:
        """Commit the items together. With `again`, completions that the ledger has already count as written.

        Raises DatabaseUnavailable, Contention, RecordRefused; then nothing was written, or (a connection lost at the
        commit) it is not known whether it was.
        """
        if self._direct is None:
            self._direct = Direct(self._database)
        recall = self._memory.begin()
        try:
            with self._direct.transaction():
                written = self._write(self._direct, items, recall, again)
        except DatabaseUnavailable:
            self.close()
            raise
        recall.keep()
        return written

    def close(self) -> None:
        """Give the connection up; the next write opens another."""
        if self._direct is not None:
            self._direct.close()
            self._direct = None

    def _write(self, direct: Direct, items: Sequence[Item], recall: Recall, again: bool) -> Written:
        statements, cursor = self._statements, direct.cursor
        records = [item for item in items if isinstance(item, CompletionRecord)]
        if again:
            records = _unknown(direct, records)
        learned, counted = Gathered(), GatheredTraffic()
        decision_rows: list[tuple[object, ...]] = []
        attempt_rows: list[tuple[object, ...]] = []
        content_rows: list[tuple[object, ...]] = []
        for record in records:
            decision = record.decision
            learned.add(record.deltas)
            counted.add(record)
            recall.use_task(decision)
            kept = encode_deltas(record.deltas, record.outcome.at)
            decision_rows.append(decision_row(record, recall.choice_id(decision), kept))
            attempt_rows += [attempt_row(decision.id, attempt) for attempt in record.attempts]
            if record.content is not None:
                content_rows.append((decision.id, record.content.request, record.content.answer))
        statements.choices.write(cursor, recall.choice_rows)
        statements.decisions.write(cursor, decision_rows)
        statements.attempts.write(cursor, attempt_rows)
        statements.contents.write(cursor, content_rows)
        results = self._score(direct, items, learned)
        if self._database.sqlite:
            cursor.execute(statements.count)
        moved = pace_budgets(direct.core, records, self._pace)
        statements.arms.write(cursor, learned.rows())
        statements.traffic.write(cursor, counted.rows())
        statements.tasks.write(cursor, recall.task_rows())
        return Written(results, learned.deltas(), moved)

    def _score(self, direct: Direct, items: Sequence[Item], learned: Gathered) -> list[Result]:
        given = [record.completion_id for item in items if isinstance(item, tuple) for record in item]
        if not given:
            return [()] * len(items)
        scoring = Scoring(direct.core, given, self._learn_scores)
        results: list[Result] = []
        for item in items:
            try:
                results.append(scoring.judge(item, learned) if isinstance(item, tuple) else ())
            except FeedbackError as error:
                results.append(error)
        self._statements.feedback.write(direct.cursor, scoring.feedback_rows)
        self._statements.scores.write(direct.cursor, list(scoring.score_rows.values()))
        return results


class _Statements:
    """The statements of a batch, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        self.choices = Bulk(insert(choices), dialect)
        self.decisions = Bulk(insert(decisions), dialect)
        self.attempts = Bulk(insert(attempts), dialect)
        self.contents = Bulk(insert(contents), dialect)
        self.feedback = Bulk(insert(feedback), dialect)
        replace_score = upsert(scores, dialect, tuple(scores.columns.keys()), revised=False)
        self.scores = Bulk(
            replace_score.on_conflict_do_update(
                index_elements=["decision_id", "source"],
                set_={"score": replace_score.excluded.score, "feedback_id": replace_score.excluded.feedback_id},
            ),
            dialect,
        )
        use_task = upsert(tasks, dialect, tuple(tasks.columns.keys()), revised=False)
        used = use_task.excluded.last_used_at
        later = case((tasks.c.last_used_at > used, tasks.c.last_used_at), else_=used)
        self.tasks = Bulk(
            use_task.on_conflict_do_update(index_elements=["router_id", "task"], set_={"last_used_at": later}), dialect
        )
        self.arms = Bulk(add_sums(arms, dialect, revised=True), dialect)
        self.traffic = Bulk(add_counts(traffic, dialect, COUNTS), dialect)
        self.count = str(count_change(Topic.STATISTICS).compile(dialect=dialect))


def _unknown(direct: Direct, records: list[CompletionRecord]) -> list[CompletionRecord]:
    """The records whose ids the ledger does not have yet, each once."""
    by_id = {record.decision.id: record for record in records}
    ids = list(by_id)
    for start in range(0, len(ids), 500):
        known = select(decisions.c.id).where(decisions.c.id.in_(ids[start : start + 500]))
        for found in direct.core.execute(known).scalars():
            del by_id[found]
    return list(by_id.values())
