"""From events to additive deltas: what an attempt, a validity check or a score adds to the statistics.

`LESSONS` is the one table of whose fault an ending is. A fault is never written down as bad quality.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from bandit.posteriors.latency import clipped, log_of
from bandit.posteriors.priors import completion_tokens_cap, log_prior, offset_tokens
from bandit.posteriors.snapshot import Snapshot
from bandit.types import (
    ANY_TASK,
    Arm,
    Attempt,
    Context,
    Deltas,
    Ending,
    HalfLives,
    RouterSettings,
    Scores,
    Signal,
    StatisticKey,
    Sums,
)

PATIENCE = 1.5
"""Who waited t seconds in vain is taken to have faced an answer of 1.5 t."""

SUDDEN: Mapping[Signal, float] = MappingProxyType({Signal.RECENT_QUALITY: 16.0, Signal.LATEST_QUALITY: 1_024.0})
"""How many times faster than quality the signals fade that show a sudden change."""


class Wait(Enum):
    """What an ending says about latency."""

    UNTOLD = "untold"
    SEEN = "seen"  # the times are what they are
    IN_VAIN = "in vain"  # one observation of 1.5 × elapsed
    IN_VAIN_IF_LONG = "in vain if long"  # the same, if longer than this arm makes one wait


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an ending teaches: success 1 or 0 (None: nobody's), latency, and whether reported tokens count."""

    success: float | None
    wait: Wait
    amounts: bool


NOTHING = Lesson(None, Wait.UNTOLD, amounts=False)

LESSONS: Mapping[Ending, Lesson] = MappingProxyType(
    {
        Ending.COMPLETE: Lesson(1.0, Wait.SEEN, amounts=True),
        Ending.CLIENT_GONE: Lesson(None, Wait.IN_VAIN_IF_LONG, amounts=True),
        Ending.TIMEOUT: Lesson(0.0, Wait.IN_VAIN, amounts=True),
        Ending.FAILED: Lesson(0.0, Wait.UNTOLD, amounts=True),
        Ending.CUT: Lesson(0.0, Wait.UNTOLD, amounts=True),
        Ending.RATE_LIMITED: NOTHING,
        Ending.MISCONFIGURED: NOTHING,
        Ending.INCAPABLE: NOTHING,
        Ending.REJECTED: NOTHING,
    }
)
"""Whose fault is it? Tokens and cost are learned only where they were reported, never from our own estimate."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What was expected of an arm when it was chosen: seconds until something comes, and completion tokens."""

    wait_seconds: float
    completion_tokens: float


def learn_attempt(
    snapshot: Snapshot, context: Context, attempt: Attempt, at: float, max_tokens: int | None
) -> dict[StatisticKey, Sums]:
    """What one call to a provider teaches; `at` is the response's end, `max_tokens` the request's own limit.

    A model that is no arm of the snapshot teaches nothing.
    """
    row = snapshot.rows.get(attempt.model_id)
    if row is None:
        return {}

    def expected() -> Expected:
        tokens, _ = snapshot.completion_tokens(context.task, context.max_tokens)
        return Expected(float(snapshot.wait_seconds(context)[row]), float(tokens[row]))

    return _learn(snapshot.settings, snapshot.arms[row], context, expected, attempt, at, max_tokens)


def learn_validity(snapshot: Snapshot, model_id: str, valid: bool, at: float) -> dict[StatisticKey, Sums]:
    """What one checked structured answer teaches; quality is untouched."""
    key = StatisticKey(snapshot.router_id, model_id, ANY_TASK, Signal.VALIDITY)
    return {key: _one(at, snapshot.settings.half_lives.quality, float(valid))}


def learn_scores(before: Scores, after: Scores, half_life: float) -> dict[StatisticKey, Sums]:
    """What changed scores of one completion add: the new mean less the old one, total weight 1.

    The event's time is the response's end, so late scores weigh what they would have weighed on time. Nothing for
    scores whose mean is as before.
    """
    old, new = before.mean(), after.mean()
    if old == new:
        return {}
    weight = float(new is not None) - float(old is not None)
    old, new = old or 0.0, new or 0.0
    total, squares = new - old, new * new - old * old
    key = StatisticKey(after.router_id, after.model_id, after.task, Signal.QUALITY)
    added = Sums(after.at, half_life, weight, total, squares)
    sudden = {
        key._replace(signal=signal): replace(added, half_life=half_life / faster) for signal, faster in SUDDEN.items()
    }
    return {key: added, **sudden}


def half_life_of(half_lives: HalfLives, signal: Signal) -> float:
    """Seconds after which an observation of this signal weighs half; infinite for what never fades."""
    return {
        Signal.SUCCESS: half_lives.success,
        Signal.QUALITY: half_lives.quality,
        **{signal: half_lives.quality / faster for signal, faster in SUDDEN.items()},
        Signal.VALIDITY: half_lives.quality,
        Signal.FIRST_TOKEN: half_lives.latency,
        Signal.PER_TOKEN: half_lives.latency,
        Signal.TOTAL: half_lives.latency,
        Signal.COMPLETION_TOKENS: half_lives.tokens,
        Signal.PROMPT_RATIO: half_lives.tokens,
        Signal.COST: half_lives.tokens,
        Signal.OUTCOMES: math.inf,
    }[signal]


def merge(into: dict[StatisticKey, Sums], deltas: Deltas) -> None:
    """Add deltas to statistics, in place; in any order the result is the same."""
    for key, delta in deltas.items():
        known = into.get(key)
        into[key] = delta if known is None else known + delta


def _learn(
    settings: RouterSettings,
    arm: Arm,
    context: Context,
    expected: Callable[[], Expected],
    attempt: Attempt,
    at: float,
    max_tokens: int | None,
) -> dict[StatisticKey, Sums]:
    lesson = LESSONS[attempt.ending]
    half_lives = settings.half_lives
    deltas: dict[StatisticKey, Sums] = {}

    def add(signal: Signal, sums: Sums, task: str = ANY_TASK) -> None:
        deltas[StatisticKey(settings.router_id, arm.model_id, task, signal)] = sums

    if lesson.success is not None:
        add(Signal.SUCCESS, _one(at, half_lives.success, lesson.success))
        add(Signal.OUTCOMES, _one(at, math.inf, 1.0))
    for signal, seconds in _times(lesson.wait, arm, expected, attempt):
        log_seconds = log_of(seconds)
        if log_seconds is not None:
            add(signal, _one(at, half_lives.latency, clipped(log_seconds, log_prior(arm.prior, signal))))
    if not lesson.amounts or attempt.estimated:
        return deltas
    tokens, prompt = attempt.completion_tokens, attempt.prompt_tokens
    if tokens is not None and tokens >= 0:
        cap = min(completion_tokens_cap(arm.prior), math.inf if max_tokens is None else max_tokens)
        add(Signal.COMPLETION_TOKENS, _one(at, half_lives.tokens, min(float(tokens), cap)), context.task)
    if prompt is not None and prompt > 0 and context.prompt_tokens > 0:
        add(Signal.PROMPT_RATIO, Sums(at, half_lives.tokens, float(context.prompt_tokens), float(prompt)))
    reported = attempt.ending is Ending.COMPLETE or tokens is not None
    if arm.price is None and attempt.cost_known and reported and attempt.cost_usd >= 0.0:
        add(Signal.COST, _one(at, half_lives.tokens, attempt.cost_usd), context.task)
    return deltas


def _one(at: float, half_life: float, value: float) -> Sums:
    """One observation."""
    return Sums(at, half_life, 1.0, value, value * value)


def _times(wait: Wait, arm: Arm, expected: Callable[[], Expected], attempt: Attempt) -> list[tuple[Signal, float]]:
    """The latency observations of an attempt, before their logarithm: seconds, or seconds per token."""
    if wait is Wait.UNTOLD:
        return []
    if wait is Wait.SEEN:
        return _seen(arm, expected, attempt)
    first = attempt.first_token_seconds
    if wait is Wait.IN_VAIN_IF_LONG and (first is not None or attempt.seconds <= expected().wait_seconds):
        return []
    faced = PATIENCE * attempt.seconds
    if not attempt.stream:
        return [(Signal.TOTAL, faced / (offset_tokens(arm.prior) + expected().completion_tokens))]
    if first is None:
        return [(Signal.FIRST_TOKEN, faced)]
    return [(Signal.PER_TOKEN, (faced - first) / max(expected().completion_tokens, 1.0))]


def _seen(arm: Arm, expected: Callable[[], Expected], attempt: Attempt) -> list[tuple[Signal, float]]:
    tokens = attempt.completion_tokens
    length = float(tokens) if tokens is not None else expected().completion_tokens
    if not attempt.stream:
        return [(Signal.TOTAL, attempt.seconds / (offset_tokens(arm.prior) + length))]
    first = attempt.first_token_seconds
    if first is None:
        return []
    rest = [(Signal.PER_TOKEN, (attempt.seconds - first) / length)] if length >= 2.0 else []
    return [(Signal.FIRST_TOKEN, first), *rest]
