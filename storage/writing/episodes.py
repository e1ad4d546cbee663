"""Episodes: which completions a score of an episode reaches, and how much it weighs for each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from sqlalchemy import Dialect, bindparam, select

from storage.database.bulk import Cursor, compile_text
from storage.errors import CompletionNotFound, NoAnswerToScore, TooManyCompletions
from storage.records import FeedbackRecord, Status
from storage.tables import decisions

MOST_COMPLETIONS = 1_000
"""Completions that one request scores, those of its episodes included: they are written in one transaction."""

NO_ANSWER = frozenset((Status.FAILED.value, Status.REJECTED.value, Status.CLIENT_GONE.value))

Episode: TypeAlias = tuple[str, str]
"""The key that recorded it, and that key's own name for it."""
Members: TypeAlias = Mapping[Episode, Sequence[tuple[str, str]]]
"""Id and status of each completion of an episode, up to one more than can be scored."""


class EpisodeQuery:
    """The query for an episode's completions, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        members = select(decisions.c.completion_id, decisions.c.status).where(
            decisions.c.key_id == bindparam("key"), decisions.c.episode_id == bindparam("episode")
        )
        oldest = compile_text(members.order_by(decisions.c.completion_id), dialect)
        self._members = f"{oldest} LIMIT {MOST_COMPLETIONS + 1}"

    def read(self, cursor: Cursor, given: Iterable[FeedbackRecord]) -> Members:
        """Read what is recorded of the episodes that are scored."""
        found: dict[Episode, Sequence[tuple[str, str]]] = {}
        for record in given:
            if record.episode_id is not None and (record.key_id, record.episode_id) not in found:
                episode = (record.key_id, record.episode_id)
                cursor.execute(self._members, episode)
                found[episode] = [(row[0], row[1]) for row in cursor.fetchall()]
        return found


def scores_of(index: int, record: FeedbackRecord, members: Members) -> tuple[list[FeedbackRecord], float]:
    """One feedback for each completion that a feedback reaches, and the weight of each.

    The n completions of an episode that have an answer weigh 1/n: its score weighs 1 in all. The comment is kept once.
    Raises CompletionNotFound, NoAnswerToScore, TooManyCompletions.
    """
    if record.episode_id is None:
        return [record], 1.0
    recorded = members.get((record.key_id, record.episode_id), ())
    if len(recorded) > MOST_COMPLETIONS:
        raise TooManyCompletions(index)
    answered = [completion_id for completion_id, status in recorded if status not in NO_ANSWER]
    if not answered:
        raise NoAnswerToScore(index) if recorded else CompletionNotFound(index)
    first, *others = (
        replace(record, id=f"{record.id}.{completion_id}", completion_id=completion_id) for completion_id in answered
    )
    return [first, *(replace(other, comment=None, metadata=None) for other in others)], 1.0 / len(answered)
