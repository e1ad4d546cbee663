"""Scoring: which key may score a completion, which scores count, and how the statistics change.

Each (completion, source) has one current score; the mean over a completion's sources counts in the statistics, so that
a correction subtracts the old mean and adds the new one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
from sqlalchemy import Dialect, Text, cast, func, select

from bandit.statistics import Deltas
from bandit.types import Epoch, Scores
from storage.database.bulk import Cursor, among, as_listed, compile_text
from storage.deltas import DeltaSums
from storage.errors import (
    CompletionNotFound,
    FeedbackError,
    NoAnswerToScore,
    ScoreOffScale,
    TooManyCompletions,
    TooManyCorrections,
    TooManySources,
)
from storage.fixed_sums import Draw, draw_of
from storage.records import FeedbackReceipt, FeedbackRecord, FeedbackStatus
from storage.roll_ups import ScoreChange
from storage.rows import clean, clean_json
from storage.tables import decisions, feedback, scores
from storage.writing.episodes import MOST_COMPLETIONS, NO_ANSWER, EpisodeQuery, Members, scores_of

MAX_SOURCES = 8
"""Sources per completion."""

MOST_CORRECTIONS = 200
"""Feedback per completion beyond its first: each that changes something is a row."""

LearnScores = Callable[[Scores, Scores], Deltas]
"""Return the deltas between a completion's scores before and after a feedback."""

ScaleOf = Callable[[str], tuple[float, float]]
"""Return a router's worst and best score."""


def unit_scale(router_id: str) -> tuple[float, float]:
    """The scale of routers without one of their own."""
    return 0.0, 1.0


class _Current(NamedTuple):
    """A source's current score and the feedback that gave it."""

    score: float
    feedback_id: str
    weight: float
    comment: str | None
    metadata: str | None


class _Completion(NamedTuple):
    """The columns of a completion that scoring needs."""

    completion_id: str
    router_id: str
    key_id: str
    model_id: str  # the model that answered; NULL without an answer
    task: str
    status: str
    ended_at: Epoch
    explored: bool | None  # NULL: not counted in activity
    drawn_model_id: str
    propensity: float
    randomised: bool
    attempts: int
    feedback_count: int  # that is in the ledger


class Known(NamedTuple):
    """What the ledger has of the completions that are scored."""

    completions: dict[str, _Completion]
    current: dict[str, dict[str, _Current]]  # by completion and source
    written: dict[str, FeedbackStatus]  # feedback of these completions that is in the ledger already
    episodes: Members


class ScoringQueries:
    """The queries that scoring needs, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        # Locked in the order of ids, so that processes that score the same completions can't deadlock.
        count = select(func.count()).where(feedback.c.completion_id == decisions.c.completion_id).scalar_subquery()
        columns = [decisions.c[name] for name in _Completion._fields if name != "feedback_count"]
        found = select(*columns, count).where(among(decisions.c.completion_id, dialect))
        self._completions = compile_text(found.order_by(decisions.c.completion_id).with_for_update(), dialect)
        held = (scores.c.completion_id, scores.c.source, scores.c.score, scores.c.feedback_id, scores.c.weight)
        current = select(*held, feedback.c.comment, cast(feedback.c.metadata, Text))  # jsonb on PostgreSQL
        gave = (scores.c.completion_id == feedback.c.completion_id) & (scores.c.feedback_id == feedback.c.id)
        current = current.join_from(scores, feedback, gave, isouter=True)
        self._current = compile_text(current.where(among(scores.c.completion_id, dialect)), dialect)
        written = select(feedback.c.id, feedback.c.status).where(among(feedback.c.completion_id, dialect))
        self._written = compile_text(written, dialect)
        self._episodes = EpisodeQuery(dialect)

    def read(self, cursor: Cursor, given: Sequence[FeedbackRecord], *, again: bool) -> Known:
        """Read and lock the completions until the commit. `again`: some feedback may be written already."""
        episodes = self._episodes.read(cursor, given)
        reached = [each for record in given for each in _reached(record, episodes)]
        listed = _listed(record.completion_id for record in reached)
        cursor.execute(self._completions, listed)
        completions = {row[0]: _Completion(*row) for row in cursor.fetchall()}
        current: dict[str, dict[str, _Current]] = defaultdict(dict)
        cursor.execute(self._current, listed)
        for completion_id, source, *held in cursor.fetchall():
            current[completion_id][source] = _Current(*held)
        written: dict[str, FeedbackStatus] = {}
        if again:
            cursor.execute(self._written, listed)
            written = {row[0]: FeedbackStatus(row[1]) for row in cursor.fetchall()}
        return Known(completions, current, written, episodes)


class Scoring:
    """Applies the scores of one batch, list by list, to be written together."""

    def __init__(self, known: Known, learn_scores: LearnScores, scale_of: ScaleOf = unit_scale) -> None:
        self._completions, self._current, self._written, self._episodes = known
        self._learn_scores = learn_scores
        self._scale_of = scale_of
        self._added: Counter[str] = Counter()  # feedback of this batch by completion
        self.feedback_rows: list[tuple[object, ...]] = []
        self.score_rows: dict[tuple[str, str], tuple[object, ...]] = {}
        self.changes: list[ScoreChange] = []

    def apply(self, records: tuple[FeedbackRecord, ...], learned: DeltaSums) -> tuple[FeedbackReceipt, ...]:
        """Apply a list of scores, all or none, and add what they teach to the sums. Raises FeedbackError."""
        trial: dict[str, dict[str, _Current]] = {}
        rows: list[tuple[object, ...]] = []
        receipts: list[FeedbackReceipt] = []
        effects: list[tuple[_Completion, Scores, Scores]] = []
        added: Counter[str] = Counter()
        for index, reached, weight in self._reached(records):
            completion = self._find(index, reached)
            record = self._scaled(index, reached, completion)
            given, source = _given(record, weight), clean(record.source)
            if record.id in self._written:
                receipts.append(_receipt(index, record, completion, given, self._written[record.id]))
                continue
            before = trial.get(completion.completion_id) or self._current[completion.completion_id]
            held = before.get(source)
            if held is None and len(before) >= MAX_SOURCES:
                raise TooManySources(index)
            if held is None or (held.score, held.weight) != (record.score, weight):
                status = FeedbackStatus.RECORDED if held is None else FeedbackStatus.UPDATED
                after = {**before, source: given}
                effects.append((completion, _scores(completion, before), _scores(completion, after)))
            else:
                status = FeedbackStatus.UNCHANGED
                if given[3:] == (None, None) or _same_note(given, held):
                    given = held  # repeated as it was
                after = {**before, source: given}
            trial[completion.completion_id] = after
            if given is not held:
                added[completion.completion_id] += 1
                if self._count(completion) + added[completion.completion_id] > 1 + MOST_CORRECTIONS:
                    raise TooManyCorrections(index)
                rows.append(_row(record, given, status))
            receipts.append(_receipt(index, record, completion, given, status))
        self._added += added
        self._accept(trial, rows)
        for completion, old, new in effects:
            learned.add(self._learn_scores(old, new))
            self.changes.append(ScoreChange(old, new, completion.explored is not None, _draw(completion)))
        return tuple(receipts)

    def _reached(self, records: Sequence[FeedbackRecord]) -> Iterator[tuple[int, FeedbackRecord, float]]:
        """The feedback for each completion, with its index in the list and its weight. Raises FeedbackError."""
        count = 0
        for index, record in enumerate(records):
            reached, weight = scores_of(index, record, self._episodes)
            count += len(reached)
            if count > MOST_COMPLETIONS:
                raise TooManyCompletions(index)
            yield from ((index, each, weight) for each in reached)

    def _count(self, completion: _Completion) -> int:
        return completion.feedback_count + self._added[completion.completion_id]

    def _find(self, index: int, record: FeedbackRecord) -> _Completion:
        completion = self._completions.get(record.completion_id)
        if completion is None or not _may_score(record, completion):
            raise CompletionNotFound(index)
        if completion.status in NO_ANSWER:
            raise NoAnswerToScore(index)
        return completion

    def _scaled(self, index: int, record: FeedbackRecord, completion: _Completion) -> FeedbackRecord:
        """The feedback with its score in [0, 1]. Raises ScoreOffScale."""
        if not record.on_own_scale:
            return record
        worst, best = self._scale_of(completion.router_id)
        if not min(worst, best) <= record.score <= max(worst, best):
            raise ScoreOffScale(index, worst, best)
        return replace(record, score=(record.score - worst) / (best - worst))

    def _accept(self, trial: Mapping[str, dict[str, _Current]], rows: list[tuple[object, ...]]) -> None:
        self.feedback_rows += rows
        for completion_id, after in trial.items():
            before = self._current[completion_id]
            for source, current in after.items():
                if before.get(source) is not current:
                    row = (completion_id, source, current.score, current.feedback_id, current.weight)
                    self.score_rows[completion_id, source] = row
            self._current[completion_id] = after


def _listed(ids: Iterable[str]) -> tuple[str]:
    return (as_listed(sorted(set(ids))),)


def _reached(record: FeedbackRecord, episodes: Members) -> list[FeedbackRecord]:
    """The feedback that may be written for a record; none if it can't be recorded."""
    try:
        return scores_of(0, record, episodes)[0]
    except FeedbackError:
        return []


def _may_score(record: FeedbackRecord, completion: _Completion) -> bool:
    if record.key_id == completion.key_id:
        return True
    return record.any_key and (record.routers is None or completion.router_id in record.routers)


def _given(record: FeedbackRecord, weight: float) -> _Current:
    return _Current(
        record.score,
        record.id,
        weight,
        None if record.comment is None else clean(record.comment),
        None if record.metadata is None else msgspec.json.encode(clean_json(dict(record.metadata))).decode(),
    )


def _same_note(given: _Current, held: _Current) -> bool:
    # As values: PostgreSQL writes JSON in its own way.
    return given.comment == held.comment and _decoded(given.metadata) == _decoded(held.metadata)


def _decoded(text: str | None) -> object:
    return None if text is None else msgspec.json.decode(text)


def _draw(completion: _Completion) -> Draw | None:
    return draw_of(
        completion.router_id,
        completion.ended_at,
        completion.task,
        completion.drawn_model_id,
        propensity=completion.propensity,
        randomised=completion.randomised,
        calls=completion.attempts,
        status=completion.status,
    )


def _scores(completion: _Completion, by_source: Mapping[str, _Current]) -> Scores:
    return Scores(
        router_id=completion.router_id,
        model_id=completion.model_id,
        task=completion.task,
        at=completion.ended_at,
        by_source={source: current.score for source, current in by_source.items()},
        weights={source: current.weight for source, current in by_source.items() if current.weight != 1.0},
    )


def _row(record: FeedbackRecord, given: _Current, status: FeedbackStatus) -> tuple[object, ...]:
    return (
        record.completion_id,
        record.id,
        record.key_id,
        clean(record.source),
        record.score,
        record.at,
        given.comment,
        given.metadata,
        status.value,
    )


def _receipt(
    index: int, record: FeedbackRecord, completion: _Completion, given: _Current, status: FeedbackStatus
) -> FeedbackReceipt:
    return FeedbackReceipt(
        index=index,
        id=given.feedback_id,
        completion_id=completion.completion_id,
        router_id=completion.router_id,
        model_id=completion.model_id,
        source=record.source,
        score=record.score,
        status=status,
    )
