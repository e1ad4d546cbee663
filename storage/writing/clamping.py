"""Clamps event times: nothing happened after the present, whatever the clock of its process showed.

A record from the future would fade all that was learned before it, and count for a day that has not come yet.
"""

from dataclasses import replace

from bandit.types import Deltas, Epoch, StatisticKey, Sums
from storage.records import CompletionRecord, FeedbackRecord, ValidityRecord


def clamped(
    item: CompletionRecord | ValidityRecord | tuple[FeedbackRecord, ...], now: Epoch
) -> CompletionRecord | ValidityRecord | tuple[FeedbackRecord, ...]:
    """Return the item without times after `now`. A request is moved back as a whole, so it keeps its durations."""
    if isinstance(item, CompletionRecord):
        ahead_seconds = max(item.outcome.ended_at, item.decision.at) - now
        return _moved_back(item, ahead_seconds, now) if ahead_seconds > 0.0 else item
    if isinstance(item, ValidityRecord):
        return replace(item, deltas=_not_after(now, item.deltas))
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


def _not_after(at: Epoch, deltas: Deltas) -> dict[StatisticKey, Sums]:
    return {key: sums if sums.at <= at else replace(sums, at=at) for key, sums in deltas.items()}
