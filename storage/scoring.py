"""Scores given to completions: who may, what counts, and what changes.

One current score per (completion, source); what counts in the statistics is the mean over a completion's sources, so a
changed mind takes the old mean's effect back and adds the new one's.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, select

from bandit.types import Deltas, Scores
from storage.errors import CompletionNotFound, NoAnswerToScore, TooManySources
from storage.learned import Gathered
from storage.records import FeedbackReceipt, FeedbackRecord, FeedbackStatus, Status
from storage.rows import clean
from storage.tables import decisions, feedback, scores

MAX_SOURCES = 8
"""Sources that may score one completion."""

LearnScores = Callable[[Scores, Scores], Deltas]
"""What a completion's scores before and after a feedback change in the statistics."""

_IDS_AT_ONCE = 500
_NO_ANSWER = {Status.FAILED.value, Status.REJECTED.value, Status.CLIENT_GONE.value}


class _Current(NamedTuple):
    """A source's current score and the feedback that gave it."""

    score: float
    feedback_id: str
    comment: str | None
    metadata: str | None


class Scoring:
    """The scores of one batch: read under lock, judged one list at a time, then written together."""

    def __init__(self, connection: Connection, completion_ids: Iterable[str], learn_scores: LearnScores) -> None:
        self._learn_scores = learn_scores
        self._completions: dict[str, Row[Any]] = {}
        self._current: dict[str, dict[str, _Current]] = defaultdict(dict)
        wanted = sorted(set(completion_ids))
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            self._load(connection, wanted[start : start + _IDS_AT_ONCE])
        self.feedback_rows: list[tuple[object, ...]] = []
        self.score_rows: dict[tuple[str, str], tuple[object, ...]] = {}

    def _load(self, connection: Connection, ids: list[str]) -> None:
        columns = decisions.c
        found: Select[Any] = select(
            columns.id,
            columns.router_id,
            columns.key_id,
            columns.model_id,
            columns.task,
            columns.status,
            columns.ended_at,
        )
        # Locked in the order of their ids: two processes that score the same completions wait, and never in a circle.
        found = found.where(columns.id.in_(ids)).order_by(columns.id).with_for_update()
        self._completions.update((row.id, row) for row in connection.execute(found))
        current: Select[Any] = select(scores, feedback.c.comment, feedback.c.metadata)
        current = current.join_from(scores, feedback, scores.c.feedback_id == feedback.c.id, isouter=True)
        for row in connection.execute(current.where(scores.c.decision_id.in_(ids))):
            self._current[row.decision_id][row.source] = _Current(row.score, row.feedback_id, row.comment, row.metadata)

    def judge(self, records: tuple[FeedbackRecord, ...], learned: Gathered) -> tuple[FeedbackReceipt, ...]:
        """Take a list of scores, all or none, and gather what they change. Raises FeedbackError."""
        trial: dict[str, dict[str, _Current]] = {}
        rows: list[tuple[object, ...]] = []
        receipts: list[FeedbackReceipt] = []
        effects: list[Deltas] = []
        for index, record in enumerate(records):
            completion = self._completions.get(record.completion_id)
            if completion is None or not _may_score(record, completion):
                raise CompletionNotFound(index)
            if completion.status in _NO_ANSWER or completion.model_id is None:
                raise NoAnswerToScore(index)
            before = trial.get(completion.id) or self._current[completion.id]
            held = before.get(record.source)
            if held is None and len(before) >= MAX_SOURCES:
                raise TooManySources(index)
            given = _given(record)
            if held is None or held.score != record.score:
                status = FeedbackStatus.RECORDED if held is None else FeedbackStatus.UPDATED
                after = {**before, record.source: given}
                effects.append(self._learn_scores(_scores(completion, before), _scores(completion, after)))
            else:
                status = FeedbackStatus.UNCHANGED
                if given[2:] in {(None, None), held[2:]}:
                    given = held  # a plain repeat
                after = {**before, record.source: given}
            trial[completion.id] = after
            if given is not held:
                rows.append(_row(record, given, status))
            receipts.append(_receipt(record, completion, given, status))
        self._accept(trial, rows)
        for effect in effects:
            learned.add(effect)
        return tuple(receipts)

    def _accept(self, trial: Mapping[str, dict[str, _Current]], rows: list[tuple[object, ...]]) -> None:
        self.feedback_rows += rows
        for completion_id, after in trial.items():
            before = self._current[completion_id]
            for source, current in after.items():
                if before.get(source) is not current:
                    row = (completion_id, source, current.score, current.feedback_id)
                    self.score_rows[completion_id, source] = row
            self._current[completion_id] = after


def _may_score(record: FeedbackRecord, completion: Row[Any]) -> bool:
    if record.key_id == completion.key_id:
        return True
    return record.any_key and (record.routers is None or completion.router_id in record.routers)


def _given(record: FeedbackRecord) -> _Current:
    return _Current(
        record.score,
        record.id,
        None if record.comment is None else clean(record.comment),
        None if record.metadata is None else msgspec.json.encode(record.metadata).decode(),
    )


def _scores(completion: Row[Any], by_source: Mapping[str, _Current]) -> Scores:
    return Scores(
        router_id=completion.router_id,
        model_id=completion.model_id,
        task=completion.task,
        at=completion.ended_at,
        by_source={source: current.score for source, current in by_source.items()},
    )


def _row(record: FeedbackRecord, given: _Current, status: FeedbackStatus) -> tuple[object, ...]:
    return (
        record.id,
        record.completion_id,
        record.key_id,
        clean(record.source),
        record.score,
        record.at,
        given.comment,
        given.metadata,
        status.value,
    )


def _receipt(record: FeedbackRecord, completion: Row[Any], given: _Current, status: FeedbackStatus) -> FeedbackReceipt:
    return FeedbackReceipt(
        id=given.feedback_id,
        completion_id=completion.id,
        router_id=completion.router_id,
        model_id=completion.model_id,
        source=record.source,
        score=record.score,
        status=status,
    )
