"""Writes a batch of completions, validity records and scores, and their deltas, in one transaction."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bandit.statistics import StatisticKey, Sums
from bandit.types import BudgetState, Epoch
from storage.database.bulk import Cursor, as_listed
from storage.database.connection import WriteConnection
from storage.database.engine import Database
from storage.database.gathering import GatheringCursor
from storage.database.watchdog import Watchdog
from storage.deltas import DeltaSums, encode_deltas
from storage.errors import Contention, DatabaseUnavailable, FeedbackError
from storage.judging import JudgingCounts
from storage.key_usage import Cell, Usage, UsageCounts
from storage.pending_events import Left, Own, divide
from storage.records import (
    ComparisonRecord,
    CompletionRecord,
    FeedbackReceipt,
    FeedbackRecord,
    JudgingRecord,
    ValidityRecord,
)
from storage.roll_ups import RollUps, ScoreChange, spend_usd
from storage.rows import attempt_row, decision_row
from storage.writing.batch import size_of
from storage.writing.budgets import Pace, Pacing
from storage.writing.cache import CacheUpdate, WriteCache
from storage.writing.clamping import clamped
from storage.writing.deferring import Deferring
from storage.writing.scores import LearnScores, ScaleOf, Scoring, unit_scale
from storage.writing.statements import Statements, statements_for

log = logging.getLogger(__name__)

Item: TypeAlias = CompletionRecord | ValidityRecord | JudgingRecord | ComparisonRecord | tuple[FeedbackRecord, ...]
"""An item to write: a request, its validity, a judge's call, a comparison, or a list of scores, all or none."""

Result: TypeAlias = tuple[FeedbackReceipt, ...] | Exception
"""The result of an item: receipts of its scores (none for other items), or the error that kept it out."""


PIPELINED_ITEMS = 16
"""Up to this many items are sent to PostgreSQL in pipeline mode; more by COPY, which costs the server a third."""

PIPELINED_ROWS = 500
PIPELINED_BYTES = 512 * 1024
"""Large items go statement by statement: of a pipeline nobody knows whether it makes progress."""

GATHERED_ROWS = 2_000
"""Up to so many rows are written by one statement, but for what is copied: of it, too, nobody knows how far it is."""


@dataclass(slots=True)
class Written:
    """The effects of a transaction: the items' results in order, and what was added to the statistics."""

    results: list[Result]
    recorded: int = 0  # completions that were new to the ledger
    deltas: dict[StatisticKey, Sums] = field(default_factory=dict)
    budgets: dict[str, BudgetState] = field(default_factory=dict)
    spend_usd: dict[tuple[str, int], float] = field(default_factory=dict)  # by router and UTC day
    usage: dict[Cell, Usage] = field(default_factory=dict)
    judging_usd: dict[tuple[str, str, int], float] = field(default_factory=dict)  # by router, purpose and UTC day
    is_numbered: bool = False  # see `storage.database.numbers`


class Transactions:
    """Writes batches through one connection, which is opened on demand. Not thread-safe, but for reading `commits`.

    `commits` is how many there were; `own_numbers` how many of them drew a number and added nothing but what this
    process has learned; `folded` the parts of what it had left that were added, until they are told. Event times are
    clamped to `clock`; None: they stay as they are. If `deferring`, a busy writer's transactions leave it to folds to
    add to statistics and roll-ups (`storage.pending_events`).
    """

    def __init__(
        self,
        database: Database,
        learn_scores: LearnScores,
        pace: Pace,
        watchdog: Watchdog | None = None,
        clock: Callable[[], Epoch] | None = None,
        scale_of: ScaleOf = unit_scale,
        *,
        deferring: bool = False,
    ) -> None:
        self._database = database
        self._learn_scores = learn_scores
        self._scale_of = scale_of
        self._statements = statements_for(database.engine.dialect.name)
        self._copying = self._statements.copying()
        self._pacing = Pacing(self._statements.pacing, pace)
        self._cache = WriteCache()
        self._direct: WriteConnection | None = None
        self.commits = self.own_numbers = 0
        self.folded: set[int] = set()
        self._watchdog = watchdog
        self._clock = clock
        self._deferring = Deferring() if deferring else None
        self._left = Own()
        self._leaving: list[tuple[int, int, bytes, Left]] = []  # by the transaction that is not committed yet

    def write(self, items: Sequence[Item], *, again: bool = False, patience: float = 1.0) -> Written:
        """Write the items in one transaction. With `again`, items that are in the ledger already are skipped.

        `patience` multiplies the watchdog's limit. Raises DatabaseUnavailable, Contention, RecordRefused; then nothing
        was written, or (a connection lost at the commit) it is not known whether it was.
        """
        if self._clock is not None:
            now = self._clock()
            items = [clamped(item, now) for item in items]
        direct = self._opened()
        ledger = self._cache.ledger
        rows, size = _size_of(items)
        gathering = not self._database.sqlite and ledger is not None and rows <= GATHERED_ROWS
        together = gathering and len(items) <= PIPELINED_ITEMS and rows <= PIPELINED_ROWS and size <= PIPELINED_BYTES
        alone = together and not again and direct.commits_alone and self._only_inserts(items)
        statements = self._statements if together else self._copying
        self._leaving.clear()
        try:
            with self._watching(patience), direct.transaction(together=together and not alone, alone=alone):
                if gathering:
                    gathered = {statements.require_ledger, statements.number}
                    cursor = GatheringCursor(direct.cursor, direct.raw_cursor, gathered, alone=alone)
                    update = self._cache.begin()
                    written = self._write(statements, cursor, items, update, again, rows)
                    cursor.execute(statements.require_ledger, ledger or ())
                    cursor.flush()
                else:
                    self._require_ledger(direct.cursor)
                    update = self._cache.begin()
                    written = self._write(statements, direct.cursor, items, update, again, rows)
        except DatabaseUnavailable:
            self.close()
            raise
        except Contention:
            self._cache = WriteCache()  # the ledger may have been restored
            raise
        update.commit()
        for row in self._leaving:
            self._left.note(*row)
        self.commits += 1
        self.own_numbers += written.is_numbered
        return written

    def version(self) -> str | None:
        """Return `WriteConnection.version`. Raises DatabaseUnavailable."""
        try:
            with self._watching():
                return self._opened().version()
        except DatabaseUnavailable:
            self.close()
            raise

    @property
    def has_left(self) -> bool:
        """Whether this process has left events that may be pending."""
        return self._deferring is not None and self._deferring.any_left

    def others_have_left(self) -> bool:
        """Test whether events of other processes are pending; true also if others have folded some of this one.

        Raises DatabaseUnavailable.
        """
        if self._deferring is None:
            return False
        pending: int = self._opened().read(self._statements.pending.count)
        return pending != len(self._left.rows)

    def fold_some(self) -> bool:
        """Fold the oldest pending events, of any process. Returns whether there may be more.

        Raises DatabaseUnavailable.
        """
        if self._deferring is None:
            return False
        direct = self._opened()
        with direct.transaction():
            fold = self._statements.pending.fold_some(direct.cursor, self._left)
        if not fold.more:
            self._left.clear()  # others may have folded some
        self._folded(fold.is_own, set() if fold.more else self._deferring.folded())
        return fold.more

    def fold_part(self) -> None:
        """Fold a part of what this process has left, if one is due. Raises DatabaseUnavailable."""
        if self._deferring is None:
            return
        part = self._deferring.due()
        if part is None:
            return
        direct = self._opened()
        with direct.transaction():
            is_own = self._statements.pending.fold_part(direct.cursor, self._left, part)
        self._left.forget(part)
        self._folded(is_own, self._deferring.folded(part))

    def _folded(self, is_own: bool, parts: set[int]) -> None:
        self.commits += 1
        self.own_numbers += is_own
        self.folded |= parts

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        self._cache = WriteCache()
        self._left.clear()
        if self._direct is not None:
            self._direct.close()
            self._direct = None

    def _watching(self, patience: float = 1.0) -> AbstractContextManager[None]:
        if self._watchdog is None:
            return contextlib.nullcontext()
        return self._watchdog.over(self._opened().connection, patience)

    def _opened(self) -> WriteConnection:
        if self._direct is None:
            self._direct = WriteConnection(self._database, None if self._watchdog is None else self._watchdog.progress)
        return self._direct

    def _only_inserts(self, items: Sequence[Item]) -> bool:
        """Test whether nothing has to be read or updated to write the items."""
        return all(
            isinstance(item, CompletionRecord)
            and not self._pacing.has_budget(item.decision.router_id)
            and self._cache.knows_task(item.decision)
            for item in items
        )

    def _require_ledger(self, cursor: Cursor) -> None:
        """Forget what was written before if the ledger was restored: it may be without that."""
        cursor.execute(self._statements.ledger)
        found = cursor.fetchall()
        if not found:  # it is being restored
            raise Contention(f"the ledger {self._database.where} has no identity")
        if self._cache.ledger != found[0]:
            self._cache = WriteCache(found[0])

    def _write(
        self,
        statements: Statements,
        cursor: Cursor,
        items: Sequence[Item],
        update: CacheUpdate,
        again: bool,
        rows: int,
    ) -> Written:
        records = [item for item in items if isinstance(item, CompletionRecord)]
        if again:
            records = self._unknown(cursor, records)
        learned, judged = DeltaSums(), JudgingCounts()
        decision_rows: list[tuple[object, ...]] = []
        attempt_rows: list[tuple[object, ...]] = []
        content_rows: list[tuple[object, ...]] = []
        for record in records:
            decision = record.decision
            update.use_task(decision)
            kept = encode_deltas(learned.add(record.deltas), record.outcome.ended_at)
            decision_rows.append(decision_row(record, update.choice_id(decision), kept))
            attempt_rows += [attempt_row(decision.completion_id, attempt) for attempt in record.attempts]
            if record.content is not None:
                content_rows.append((decision.completion_id, record.content.request, record.content.answer))
        statements.choices.write(cursor, update.choice_rows)
        statements.decisions.write(cursor, decision_rows)
        statements.attempts.write(cursor, attempt_rows)
        statements.contents.write(cursor, content_rows)
        others = [item for item in items if not isinstance(item, CompletionRecord)]
        results: list[Result] = [()] * len(items)
        changes: list[ScoreChange] = []
        if others:
            statements.validity.write(cursor, [item for item in others if isinstance(item, ValidityRecord)], learned)
            results, changes = self._score(cursor, items, learned, again)
        for item in others:
            if isinstance(item, JudgingRecord):
                judged.add(item)
        judging_rows = judged.rows()
        costs = self._pacing.costs(records)
        deferring = self._deferring if self._deferring and self._deferring.defers(len(items), rows) else None
        if is_numbered := bool(deferring is None or costs or judging_rows):
            cursor.execute(statements.number)
        moved = self._pacing.move(cursor, costs)
        changed = {*moved, *(str(row[0]) for row in judging_rows)}
        deltas = learned.deltas()
        if deferring is not None:
            used = UsageCounts()
            bare = [record if record.content is None else replace(record, content=None) for record in records]
            for part, left in divide(bare, changes, deltas).items():
                deferring.left(part, len(left.records) + len(left.changes))
                self._leaving.append((part, *statements.pending.leave(cursor, left), left))
                used.add(left.used)
        else:
            learned_rows, sums = learned.rows(), RollUps(records, changes)
            statements.arms.write(cursor, learned_rows)
            statements.roll_ups.add(cursor, sums)
            used = sums.usage
            changed.update(str(row[0]) for row in learned_rows)
            changed |= sums.activity.routers()
        statements.judging.write(cursor, judging_rows)
        for router_id, task, used_at in update.task_uses():
            cursor.execute(statements.use_task, (used_at, router_id, task, used_at))
        statements.changed_routers.write(cursor, [(router_id,) for router_id in sorted(changed)])
        return Written(
            results=results,
            recorded=len(records),
            deltas=deltas,
            budgets=moved,
            spend_usd=spend_usd(records),
            usage=used.cells(),
            judging_usd=judged.spend_usd(),
            is_numbered=is_numbered,
        )

    def _unknown(self, cursor: Cursor, records: list[CompletionRecord]) -> list[CompletionRecord]:
        """Return the records whose ids are not in the ledger, each once."""
        by_id = {record.decision.completion_id: record for record in records}
        cursor.execute(self._statements.known, (as_listed(by_id),))
        for (known,) in cursor.fetchall():
            del by_id[known]
        return list(by_id.values())

    def _score(
        self,
        cursor: Cursor,
        items: Sequence[Item],
        learned: DeltaSums,
        again: bool,
    ) -> tuple[list[Result], list[ScoreChange]]:
        lists = [_scores_in(item) for item in items]
        given = [record for each in lists for record in each]
        if not given:
            return [()] * len(items), []
        known = self._statements.scoring.read(cursor, given, again=again)
        scoring = Scoring(known, self._learn_scores, self._scale_of)
        results: list[Result] = []
        compared: list[ComparisonRecord] = []
        for item, listed in zip(items, lists, strict=True):
            try:
                results.append(scoring.apply(listed, learned) if listed else ())
            except FeedbackError as error:
                results.append(error)
            else:
                compared += [item] if isinstance(item, ComparisonRecord) else []
        self._statements.feedback.write(cursor, scoring.feedback_rows)
        self._statements.scores.write(cursor, list(scoring.score_rows.values()))
        self._statements.shadows.write(cursor, compared, self._learn_scores, learned)
        return results, scoring.changes


def _scores_in(item: Item) -> tuple[FeedbackRecord, ...]:
    if isinstance(item, ComparisonRecord):
        return (item.feedback,)
    return item if isinstance(item, tuple) else ()


def _size_of(items: Sequence[Item]) -> tuple[int, int]:
    """The rows and bytes of all items, about."""
    sizes = [size_of(item) for item in items]
    return sum(rows for rows, _ in sizes), sum(size for _, size in sizes)
