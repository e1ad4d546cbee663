"""Feedback: parsed, checked field by field, and recorded all or none.

An item is the score of one completion, the score of an episode, or a pair: which of two completions was preferred.
Recording is idempotent: the same score again for a completion and source is answered `unchanged`.
"""

from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec

from bandit.types import Epoch
from gateway.completions.json_object import parse_json_object
from gateway.completions.request import explain_validation
from gateway.completions.routing_fields import read_episode
from gateway.errors import BadRequest, Conflict, GatewayError, NotFound, RateLimited, Unavailable
from gateway.ids import creation_time, new_id, parse_completion_id
from gateway.recorder import Recorder
from gateway.settings.router_options import LARGEST_SCORE, is_scale
from storage.errors import (
    CompletionNotFound,
    DatabaseUnavailable,
    FeedbackError,
    NoAnswerToScore,
    ScoreOffScale,
    TooManyCompletions,
    TooManyCorrections,
    TooManySources,
)
from storage.records import FeedbackReceipt, FeedbackRecord, KeyRecord
from storage.writing.episodes import MOST_COMPLETIONS
from storage.writing.scores import MOST_CORRECTIONS

BATCH_LIMIT = 1_000
SOURCE_LIMIT = 32
SETTLING_SECONDS = 60.0
"""A completion younger than this that is not found may still be on its way to the ledger: 503, not 404."""

ASIDE_RETRY_SECONDS = 60.0
"""Advice for a completion whose record waits for an operator."""

SPOOLED_RETRY_SECONDS = 5.0
"""Advice for a completion that may be in a replica's spool."""

PAIR_SOURCE = "pair"
"""The source of a pair's scores, unless another one is stated."""

_THUMBS = {"up": 1.0, "down": 0.0}
_PAIR = {"preferred": 1.0, "rejected": 0.0}
Scale = tuple[float, float]
"""The worst and the best score."""


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    completion_id: str | None = None
    episode_id: str | None = None
    preferred: str | None = None
    rejected: str | None = None
    score: float | None = None
    scale: tuple[float, float] | None = None
    thumb: Literal["up", "down"] | None = None
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=SOURCE_LIMIT)] | None = None
    comment: str | None = None
    metadata: dict[str, Any] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    feedback: Annotated[list[_Feedback], msgspec.Meta(min_length=1, max_length=BATCH_LIMIT)]


@dataclass(frozen=True, slots=True)
class Given:
    """One item of feedback: its record, or the two of a pair, the preferred one first."""

    records: tuple[FeedbackRecord, ...]

    @property
    def is_pair(self) -> bool:
        """Whether it says which of two completions was preferred."""
        return len(self.records) > 1


@dataclass(frozen=True, slots=True)
class FeedbackBatch:
    """Checked feedback. `listed`: it came as `{"feedback": […]}`, and not as one object."""

    items: tuple[Given, ...]
    listed: bool

    @property
    def records(self) -> tuple[FeedbackRecord, ...]:
        """The records of all items: what receipts and errors count by."""
        return tuple(record for item in self.items for record in item.records)

    def refuse_running(self, running: Container[str]) -> None:
        """Refuse scores of streams that are still running. Raises Conflict."""
        for index, record in enumerate(self.records):
            if record.completion_id in running:  # an episode's score is for what is recorded so far
                raise Conflict(
                    "this completion is still being answered; score it when its stream has ended",
                    code="completion_in_progress",
                    param=self._param(index),
                    retry_after_seconds=1,
                )

    async def record(
        self,
        recorder: Recorder,
        now: Epoch,
        may_be_spooled: Callable[[float], bool],
        is_kept_aside: Callable[[str], bool],
    ) -> tuple[FeedbackReceipt, ...]:
        """Commit all, or none. Raises GatewayError, naming the index.

        `may_be_spooled`: whether a completion whose id was made at a time may still be in the spool of some replica;
        `is_kept_aside`: whether it is one whose record the database refused.
        """
        try:
            return await recorder.feedback(self.records)
        except FeedbackError as error:
            raise self._explain(error, now, may_be_spooled, is_kept_aside) from error
        except DatabaseUnavailable as error:
            raise Unavailable(
                "feedback can't be made durable now; nothing was recorded",
                code="ledger_unavailable",
                retry_after_seconds=2,
            ) from error

    def _explain(
        self,
        error: FeedbackError,
        now: Epoch,
        may_be_spooled: Callable[[float], bool],
        is_kept_aside: Callable[[str], bool],
    ) -> GatewayError:
        record = self.records[error.index]
        named, param = record.completion_id or f"episode {record.episode_id!r}", self._param(error.index)
        if isinstance(error, NoAnswerToScore):
            return Conflict(
                f"{named} got no answer that could be scored",
                code="no_answer_to_score",
                param=param,
                should_retry=False,
            )
        if isinstance(error, ScoreOffScale):
            place = self._param(error.index, "score")
            return BadRequest(_off_scale(record.score, error.worst, error.best, place), param=place)
        if isinstance(error, TooManySources):
            return BadRequest(
                "a completion takes scores of at most 8 sources", param=self._param(error.index, "source")
            )
        if isinstance(error, TooManyCorrections):
            return RateLimited(
                f"{named} was corrected {MOST_CORRECTIONS} times; its score stays as it is",
                code="too_many_corrections",
                param=param,
                should_retry=False,
            )
        if isinstance(error, TooManyCompletions):
            return BadRequest(
                f"one request scores at most {MOST_COMPLETIONS:,} completions, those of its episodes included",
                param=param,
            )
        created_at = now if record.episode_id is not None else creation_time(named)
        if may_be_spooled(created_at):
            return Unavailable(
                f"{named} is not in the ledger, but may be in the spool of a replica that could not write to it",
                code="not_recorded_yet",
                param=param,
                retry_after_seconds=SPOOLED_RETRY_SECONDS,
            )
        if is_kept_aside(named):
            return Unavailable(
                f"{named} is kept aside, because the database refused its record: it can be scored once an operator "
                "has it written (`bandit-gateway records`)",
                code="not_recorded_yet",
                param=param,
                retry_after_seconds=ASIDE_RETRY_SECONDS,
            )
        if record.episode_id is not None:
            return NotFound(
                f"no completion of {named} is recorded for this API key",
                code="episode_not_found",
                param=param,
                should_retry=False,
            )
        if isinstance(error, CompletionNotFound) and abs(now - created_at) < SETTLING_SECONDS:
            return Unavailable(
                f"{named} is not recorded yet", code="not_recorded_yet", param=param, retry_after_seconds=1
            )
        return NotFound(
            f"there is no completion {named} of this API key",
            code="completion_not_found",
            param=param,
            should_retry=False,
        )

    def _param(self, index: int, field: str | None = None) -> str:
        """The place of a record: of the field that names what it scores, or of another field of its item."""
        place, item, position = self._places()[index]
        if field is None:
            named = "completion_id" if item.records[0].episode_id is None else "episode_id"
            field = tuple(_PAIR)[position] if item.is_pair else named
        return f"feedback[{place}].{field}" if self.listed else field

    def _places(self) -> list[tuple[int, Given, int]]:
        """For each record the index of its item, the item, and its position there."""
        return [
            (place, item, position) for place, item in enumerate(self.items) for position in range(len(item.records))
        ]


def parse_feedback(body: bytes, key: KeyRecord, now: Epoch, scales: Collection[Scale]) -> FeedbackBatch:
    """Parse a feedback body. `scales` are those of the routers: a score without one must be on one of them.

    Raises InvalidJson, or BadRequest with the field and the index.
    """
    listed = "feedback" in parse_json_object(body)
    try:
        if listed:
            items = msgspec.json.decode(body, type=_Batch).feedback
        else:
            items = [msgspec.json.decode(body, type=_Feedback)]
    except msgspec.ValidationError as error:
        raise explain_validation(error) from None
    given = (
        _given(item, f"feedback[{index}]." if listed else "", key, now, scales) for index, item in enumerate(items)
    )
    return FeedbackBatch(tuple(given), listed)


def read_item(values: Mapping[str, object], key: KeyRecord, now: Epoch, scales: Collection[Scale]) -> Given:
    """One item of feedback from its fields by name. Raises BadRequest, NotFound."""
    try:
        item = msgspec.convert(values, type=_Feedback)
    except msgspec.ValidationError as error:
        raise explain_validation(error) from None
    return _given(item, "", key, now, scales)


def _given(item: _Feedback, prefix: str, key: KeyRecord, now: Epoch, scales: Collection[Scale]) -> Given:
    if item.preferred is not None or item.rejected is not None:
        return Given(tuple(_pair(item, prefix, key, now)))
    if (item.completion_id is None) == (item.episode_id is None):
        raise BadRequest(
            f"exactly one of `{prefix}completion_id` and `{prefix}episode_id` is required, or `{prefix}preferred` and "
            f"`{prefix}rejected` together",
            param=f"{prefix}completion_id",
        )
    completion_id = "" if item.completion_id is None else _completion(item.completion_id, f"{prefix}completion_id")
    record = _record(item, completion_id, _score(item, prefix, scales), key, now)
    if item.score is not None and item.scale is None:
        record = replace(record, on_own_scale=True)
    if item.episode_id is not None:
        record = replace(record, episode_id=read_episode(item.episode_id, f"{prefix}episode_id"))
    return Given((record,))


def _pair(item: _Feedback, prefix: str, key: KeyRecord, now: Epoch) -> Iterator[FeedbackRecord]:
    """The two scores of a pair. The comment is kept once."""
    for field in ("completion_id", "episode_id", "score", "scale", "thumb"):
        if getattr(item, field) is not None:
            raise BadRequest(f"`{prefix}{field}` can't stand beside `{prefix}preferred`", param=f"{prefix}{field}")
    ids: list[str] = []
    for field in _PAIR:
        named = getattr(item, field)
        if named is None:
            raise BadRequest(f"`{prefix}{field}` is required: a pair has both", param=f"{prefix}{field}")
        ids.append(_completion(named, f"{prefix}{field}"))
    if ids[0] == ids[1]:
        raise BadRequest(
            f"`{prefix}preferred` and `{prefix}rejected` are the same completion", param=f"{prefix}rejected"
        )
    preferred, rejected = (
        _record(item, completion_id, score, key, now, PAIR_SOURCE)
        for completion_id, score in zip(ids, _PAIR.values(), strict=True)
    )
    yield preferred
    yield replace(rejected, comment=None, metadata=None)


def _score(item: _Feedback, prefix: str, scales: Collection[Scale]) -> float:
    """The score in [0, 1], mapped from its scale; without one, as it is."""
    if (item.score is None) == (item.thumb is None):
        raise BadRequest(f"exactly one of `{prefix}score` and `{prefix}thumb` is required", param=f"{prefix}score")
    if item.score is None:
        if item.scale is not None:
            raise BadRequest(f"`{prefix}scale` is that of a `score`, not of a thumb", param=f"{prefix}scale")
        return _THUMBS[item.thumb or "up"]
    if item.scale is None:
        if not any(_is_on(item.score, *scale) for scale in scales):
            raise BadRequest(_off_scale(item.score, *next(iter(scales)), f"{prefix}score"), param=f"{prefix}score")
        return item.score
    worst, best = item.scale
    if not is_scale(worst, best):
        raise BadRequest(
            f"`{prefix}scale` must be the worst and the best score, two different numbers of at most "
            f"{LARGEST_SCORE:,.0f}, such as [1, 5]",
            param=f"{prefix}scale",
        )
    if not _is_on(item.score, worst, best):
        raise BadRequest(_off_scale(item.score, worst, best, f"{prefix}score"), param=f"{prefix}score")
    return (item.score - worst) / (best - worst)


def _record(
    item: _Feedback, completion_id: str, score: float, key: KeyRecord, now: Epoch, source: str = "user"
) -> FeedbackRecord:
    return FeedbackRecord(
        id=new_id("fbk", now),
        completion_id=completion_id,
        key_id=key.id,
        any_key="feedback" in key.scopes,
        routers=key.routers,
        source=item.source or source,
        score=score,
        at=now,
        comment=item.comment,
        metadata=item.metadata,
    )


def _is_on(score: float, worst: float, best: float) -> bool:
    return min(worst, best) <= score <= max(worst, best)


def _off_scale(score: float, worst: float, best: float, place: str) -> str:
    bounds = f"{min(worst, best):g} and {max(worst, best):g}"
    return f"`{place}` must be between {bounds}, not {score:g}; one on another scale needs `scale`, such as [1, 5]"


def _completion(given: str, param: str) -> str:
    completion_id = parse_completion_id(given)
    if completion_id is None:
        raise NotFound(
            f"`{param}` must be the `id` of a completion, not {given[:80]!r}",
            code="completion_not_found",
            param=param,
            should_retry=False,
        )
    return completion_id
