"""Clamps what an item says to what can be: times up to the present, tokens up to a billion.

A record from the future would fade all that was learned before it, and count for a day that has not come yet. Tokens
without a bound would overflow the day's sum of their model, which then takes no further request.
"""

from dataclasses import replace
from typing import TypeVar

from bandit.statistics import Deltas, StatisticKey, Sums
from bandit.types import Attempt, Epoch
from storage.records import (
    ComparisonRecord,
    CompletionRecord,
    FeedbackRecord,
    JudgingRecord,
    OutcomeRecord,
    ValidityRecord,
)

Counted = TypeVar("Counted", OutcomeRecord, Attempt)


MOST_TOKENS = 1_000_000_000
"""Of one call; the largest contexts are a hundredth of it."""


def clamped(
    item: CompletionRecord | ValidityRecord | JudgingRecord | ComparisonRecord | tuple[FeedbackRecord, ...], now: Epoch
) -> CompletionRecord | ValidityRecord | JudgingRecord | ComparisonRecord | tuple[FeedbackRecord, ...]:
    """Return the item without times after `now`. A request is moved back as a whole, so it keeps its durations."""
    if isinstance(item, CompletionRecord):
        if _is_absurd(item.outcome) or any(map(_is_absurd, item.attempts)):
            outcome = _with_possible_tokens(item.outcome)
            item = replace(item, outcome=outcome, attempts=tuple(map(_with_possible_tokens, item.attempts)))
        ahead_seconds = max(item.outcome.ended_at, item.decision.at) - now
        return _moved_back(item, ahead_seconds, now) if ahead_seconds > 0.0 else item
    if isinstance(item, ValidityRecord):
        return replace(item, deltas=_not_after(now, item.deltas))
    if isinstance(item, JudgingRecord):
        prompt, completion = min(item.prompt_tokens, MOST_TOKENS), min(item.completion_tokens, MOST_TOKENS)
        return replace(item, at=min(item.at, now), prompt_tokens=prompt, completion_tokens=completion)
    if isinstance(item, ComparisonRecord):
        return replace(item, feedback=replace(item.feedback, at=min(item.feedback.at, now)))
    if all(record.at <= now for record in item):
        return item
    return tuple(replace(record, at=min(record.at, now)) for record in item)


def _moved_back(record: CompletionRecord, seconds: float, now: Epoch) -> CompletionRecord:
    decision, outcome = record.decision, record.outcome
    return replace(
        record,
        decision=replace(decision, at=Epoch(decision.at - seconds)),
        attempts=tuple(replace(each, started_at=each.started_at - seconds) for each in record.attempts),
        outcome=replace(outcome, ended_at=Epoch(outcome.ended_at - seconds)),
        deltas=_not_after(Epoch(outcome.ended_at - seconds), record.deltas),
    )


def _is_absurd(counted: OutcomeRecord | Attempt) -> bool:
    prompt, cached, completion = counted.prompt_tokens, counted.cached_tokens, counted.completion_tokens
    return (prompt or 0) > MOST_TOKENS or cached > MOST_TOKENS or (completion or 0) > MOST_TOKENS


def _with_possible_tokens(counted: Counted) -> Counted:
    prompt, completion = counted.prompt_tokens, counted.completion_tokens
    return replace(
        counted,
        prompt_tokens=None if prompt is None else min(prompt, MOST_TOKENS),
        cached_tokens=min(counted.cached_tokens, MOST_TOKENS),
        completion_tokens=None if completion is None else min(completion, MOST_TOKENS),
    )


def _not_after(at: Epoch, deltas: Deltas) -> dict[StatisticKey, Sums]:
    return {key: sums if sums.at <= at else replace(sums, at=at) for key, sums in deltas.items()}
