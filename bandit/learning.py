"""Learning: the additive deltas that an attempt, a validity check or a score adds to the statistics.

`LESSONS` is the one table of whose fault an ending is. A failure is never counted as bad quality.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from bandit.posteriors.latency import clipped
from bandit.posteriors.priors import FIRST_TOKEN_PRIOR, PER_TOKEN_PRIOR, TOTAL_PRIOR, completion_tokens_cap
from bandit.posteriors.prompt import PAIR_SIGNALS, PART_SIGNALS, observe
from bandit.posteriors.quality import WINDOWS
from bandit.posteriors.snapshot import Snapshot
from bandit.posteriors.statistics import LATENCIES
from bandit.statistics import ANY_TASK, JUDGE, Deltas, Signal, StatisticKey, Sums
from bandit.types import Attempt, Context, Ending, HalfLives, LogNormalPrior, Scores

CENSORED_FACTOR = 1.5
"""A wait that was broken off after t seconds is right-censored: it counts as one observation of 1.5 t."""

_TOTAL = LATENCIES.index(Signal.TOTAL)

SUDDEN: Mapping[Signal, float] = MappingProxyType(
    {signal: 4.0**rung for rung, signal in enumerate(WINDOWS, start=1)}  # a ladder: each a quarter of the one before
)
"""How many times faster than quality these signals fade; they show a sudden change."""


class Wait(Enum):
    """What an ending says about latency."""

    UNKNOWN = "unknown"
    OBSERVED = "observed"
    CENSORED = "censored"  # right-censored: one observation of 1.5 × elapsed
    CENSORED_IF_LONG = "censored if long"  # the same, if the wait was longer than this arm's usual one


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned of an ending: success 1 or 0 (None: not the model's doing), latency, and reported tokens."""

    success: float | None
    wait: Wait
    amounts: bool


NOTHING = Lesson(None, Wait.UNKNOWN, amounts=False)

LESSONS: Mapping[Ending, Lesson] = MappingProxyType(
    {
        Ending.COMPLETE: Lesson(1.0, Wait.OBSERVED, amounts=True),
        Ending.CLIENT_GONE: Lesson(None, Wait.CENSORED_IF_LONG, amounts=True),
        Ending.TIMEOUT: Lesson(0.0, Wait.CENSORED, amounts=True),
        Ending.FAILED: Lesson(0.0, Wait.UNKNOWN, amounts=True),
        Ending.CUT: Lesson(0.0, Wait.UNKNOWN, amounts=True),
        Ending.RATE_LIMITED: NOTHING,
        Ending.MISCONFIGURED: NOTHING,
        Ending.INCAPABLE: NOTHING,
        Ending.REJECTED: NOTHING,
    }
)
"""What each ending counts for. Tokens and cost are learned only as reported, never from an estimate of the gateway.

A model's own failures (timeout, failed, cut) lower its success. What depends on the gateway's key, the provider's rate
limits or the caller's request says nothing of the model.
"""


def learn_attempt(
    snapshot: Snapshot, context: Context, attempt: Attempt, at: float, max_tokens: int | None
) -> dict[StatisticKey, Sums]:
    """The deltas of one call to a provider; `at` is the response's end, `max_tokens` the request's own limit.

    - success, if the model answered or failed, and the count of its outcomes;
    - latency: ln(seconds) of what was observed, clipped, or one right-censored observation;
    - completion tokens, capped, billed prompt tokens by part, and dollars if the arm has no price.

    Nothing for a model that is no arm of the snapshot.
    """
    row = snapshot.rows.get(attempt.model_id)
    if row is None:
        return {}
    return _learn_plainly(snapshot, row, context, attempt, at, max_tokens) or learn_any(
        snapshot, row, context, attempt, at, max_tokens
    )


def _learn_plainly(
    snapshot: Snapshot, row: int, context: Context, attempt: Attempt, at: float, max_tokens: int | None
) -> dict[StatisticKey, Sums] | None:
    """What `learn_any` learns of the usual answer, in few steps; None if it is another one.

    That is complete and no stream, to a prompt that is text alone, with reported tokens and a known price.
    """
    tokens, prompt, estimated = attempt.completion_tokens, attempt.prompt_tokens, context.prompt_tokens
    if (
        attempt.ending is not Ending.COMPLETE
        or attempt.stream
        or attempt.estimated
        or not tokens
        or not prompt
        or estimated <= 0
        or context.tool_tokens
        or context.image_tokens
        or context.audio_tokens
        or context.file_tokens
    ):
        return None
    arm, known, half_lives = snapshot.arms[row], snapshot.constants, snapshot.settings.half_lives
    seconds = attempt.seconds / (known.offset_tokens[row] + tokens)
    if arm.price is None or not 0.0 < seconds < math.inf:
        return None
    time = known.times[_TOTAL][row]
    seen = math.log(seconds)
    if seen < time.lowest:
        seen = time.lowest
    elif seen > time.highest:
        seen = time.highest
    counted, length = min(float(tokens), completion_tokens_cap(arm.prior)), float(estimated)
    if max_tokens is not None and counted > max_tokens:
        counted = float(max_tokens)
    success, outcomes, total, completion, ratio = _plain_keys(snapshot.settings.router_id, arm.model_id, context.task)
    return {
        success: Sums(at, half_lives.success, 1.0, 1.0, 1.0),
        outcomes: Sums(at, math.inf, 1.0, 1.0, 1.0),
        total: Sums(at, half_lives.latency, 1.0, seen, seen * seen),
        completion: Sums(at, half_lives.tokens, 1.0, counted, counted * counted),
        ratio: Sums(at, half_lives.tokens, length, length * prompt / length),
    }


def learn_any(
    snapshot: Snapshot, row: int, context: Context, attempt: Attempt, at: float, max_tokens: int | None
) -> dict[StatisticKey, Sums]:
    """The deltas of a call of the arm in this row of the snapshot."""
    arm, settings, lesson = snapshot.arms[row], snapshot.settings, LESSONS[attempt.ending]
    half_lives, keys = settings.half_lives, _keys(settings.router_id, arm.model_id)
    deltas: dict[StatisticKey, Sums] = {}
    succeeded = lesson.success
    if succeeded is not None:
        deltas[keys[Signal.SUCCESS]] = Sums(at, half_lives.success, 1.0, succeeded, succeeded * succeeded)
        deltas[keys[Signal.OUTCOMES]] = Sums(at, math.inf, 1.0, 1.0, 1.0)
    if lesson.wait is not Wait.UNKNOWN:
        for signal, prior, seconds in _latencies(lesson.wait, snapshot, row, context, attempt):
            if 0.0 < seconds < math.inf:
                seen = clipped(math.log(seconds), prior)
                deltas[keys[signal]] = Sums(at, half_lives.latency, 1.0, seen, seen * seen)
    if not lesson.amounts or attempt.estimated:
        return deltas
    tokens, prompt = attempt.completion_tokens, attempt.prompt_tokens
    if tokens is not None and tokens >= 0:
        counted = min(float(tokens), completion_tokens_cap(arm.prior))
        if max_tokens is not None and counted > max_tokens:
            counted = float(max_tokens)
        key = _key(settings.router_id, arm.model_id, context.task, Signal.COMPLETION_TOKENS)
        deltas[key] = Sums(at, half_lives.tokens, 1.0, counted, counted * counted)
    if prompt is not None and prompt > 0:
        for signal, weight, total, squares in observe(context.parts, prompt):
            deltas[keys[signal]] = Sums(at, half_lives.tokens, weight, total, squares)
    reported = attempt.ending is Ending.COMPLETE or tokens is not None
    if arm.price is None and attempt.cost_known and reported and attempt.cost_usd >= 0.0:
        key = _key(settings.router_id, arm.model_id, context.task, Signal.COST)
        deltas[key] = _one(at, half_lives.tokens, attempt.cost_usd)
    return deltas


def learn_validity(snapshot: Snapshot, model_id: str, valid: bool, at: float) -> dict[StatisticKey, Sums]:
    """The delta of one structured answer that was checked; quality is not touched."""
    key = StatisticKey(snapshot.router_id, model_id, ANY_TASK, Signal.VALIDITY)
    return {key: _one(at, snapshot.settings.half_lives.quality, float(valid))}


def learn_scores(before: Scores, after: Scores, half_life: float) -> dict[StatisticKey, Sums]:
    """The deltas of changed scores of one completion: the new mean less the old one, so its total weight is 1 at most.

    Completions that a judge alone has scored are summed once more by themselves, and are in no window; of those that
    others have scored too, the difference is learned: it shows what the judge is worth.

    Their instant is the response's end: a late score weighs what it would have weighed on time. Nothing if mean and
    weight are as before.
    """
    deltas: dict[StatisticKey, Sums] = {}
    old, new = _counted(before), _counted(after)
    for signal in old.keys() | new.keys():
        if old.get(signal) == new.get(signal):
            continue
        (old_weight, old_mean), (weight, mean) = old.get(signal, _NO_SCORE), new.get(signal, _NO_SCORE)
        task = ANY_TASK if signal is Signal.JUDGE_DIFFERENCE else after.task
        total, squares = weight * mean - old_weight * old_mean, weight * mean * mean - old_weight * old_mean * old_mean
        faster = SUDDEN.get(signal, 1.0)
        key = _key(after.router_id, after.model_id, task, signal)
        deltas[key] = Sums(after.at, half_life / faster, weight - old_weight, total, squares)
    return deltas


_NO_SCORE = (0.0, 0.0)


def _counted(scores: Scores) -> dict[Signal, tuple[float, float]]:
    """What a completion's scores count for: weight and mean by signal."""
    mean = scores.mean()
    if mean is None:
        return {}
    said = (scores.weight(), mean)
    judged = scores.by_source.get(JUDGE)
    if judged is None:
        return {Signal.QUALITY: said, **dict.fromkeys(WINDOWS, said)}
    others = scores.without(JUDGE).mean()
    if others is None:
        return {Signal.QUALITY: said, Signal.JUDGED_QUALITY: said}
    return {
        Signal.QUALITY: said,
        **dict.fromkeys(WINDOWS, said),
        Signal.JUDGED_QUALITY: _NO_SCORE,  # the row of what was taken back stays at its instant: so does the fold
        Signal.JUDGE_DIFFERENCE: (1.0, judged - others),
    }


def learn_eval(
    score: float, weight: float, completion_tokens: float | None, cost_usd: float | None
) -> dict[Signal, tuple[float, float, float]]:
    """What one row of an evaluation adds to the sums of its model and task: Σ w, Σ w·y, Σ w·y² by signal.

    Of a mean over several prompts the spread is not known: its scores are taken to be coin flips, its amounts equal.
    """
    second = score * score if weight == 1.0 else score
    found = {Signal.QUALITY: (weight, weight * score, weight * second)}
    for signal, amount in ((Signal.COMPLETION_TOKENS, completion_tokens), (Signal.COST, cost_usd)):
        if amount is not None:
            found[signal] = (weight, weight * amount, weight * amount * amount)
    return found


def half_life_of(half_lives: HalfLives, signal: Signal) -> float:
    """Seconds after which an observation of this signal weighs half; infinite for what never fades."""
    return {
        Signal.SUCCESS: half_lives.success,
        Signal.QUALITY: half_lives.quality,
        **{signal: half_lives.quality / faster for signal, faster in SUDDEN.items()},
        Signal.JUDGED_QUALITY: half_lives.quality,
        Signal.JUDGE_DIFFERENCE: half_lives.quality,
        Signal.VALIDITY: half_lives.quality,
        Signal.FIRST_TOKEN: half_lives.latency,
        Signal.PER_TOKEN: half_lives.latency,
        Signal.TOTAL: half_lives.latency,
        Signal.COMPLETION_TOKENS: half_lives.tokens,
        **dict.fromkeys((*PART_SIGNALS, *PAIR_SIGNALS.values()), half_lives.tokens),
        Signal.COST: half_lives.tokens,
        Signal.OUTCOMES: math.inf,
    }[signal]


def merge(into: dict[StatisticKey, Sums], deltas: Deltas) -> None:
    """Add deltas to statistics, in place; addition commutes, so the order of events does not matter."""
    for key, delta in deltas.items():
        known = into.get(key)
        into[key] = delta if known is None else known + delta


_key = lru_cache(maxsize=8_192)(StatisticKey)
"""Each answer of a model has the keys of the one before: to look them up costs half of making them."""


@lru_cache(maxsize=4_096)
def _keys(router_id: str, model_id: str) -> Mapping[Signal, StatisticKey]:
    """An arm's keys of the signals that are not kept by class."""
    signals = (Signal.SUCCESS, Signal.OUTCOMES, *LATENCIES, *PART_SIGNALS, *PAIR_SIGNALS.values())
    return {signal: StatisticKey(router_id, model_id, ANY_TASK, signal) for signal in signals}


@lru_cache(maxsize=8_192)
def _plain_keys(router_id: str, model_id: str, task: str) -> tuple[StatisticKey, ...]:
    """An arm's keys of what a plain answer teaches."""
    keys, key = _keys(router_id, model_id), _key(router_id, model_id, task, Signal.COMPLETION_TOKENS)
    return (keys[Signal.SUCCESS], keys[Signal.OUTCOMES], keys[Signal.TOTAL], key, keys[PART_SIGNALS[0]])


def _one(at: float, half_life: float, value: float) -> Sums:
    """One observation."""
    return Sums(at, half_life, 1.0, value, value * value)


_Timed: TypeAlias = tuple[Signal, LogNormalPrior, float]
"""An observation of latency: its signal with the arm's prior, and seconds, or seconds per token."""


def _latencies(wait: Wait, snapshot: Snapshot, row: int, context: Context, attempt: Attempt) -> Sequence[_Timed]:
    """The latency observations of an attempt, before the logarithm."""
    prior, first = snapshot.arms[row].prior, attempt.first_token_seconds
    if wait is Wait.OBSERVED:
        tokens = attempt.completion_tokens
        length = _expected_tokens(snapshot, row, context) if tokens is None else tokens
        if not attempt.stream:
            seconds = attempt.seconds / (snapshot.constants.offset_tokens[row] + length)
            return ((Signal.TOTAL, prior.total or TOTAL_PRIOR, seconds),)
        if first is None:
            return ()
        until_first = (Signal.FIRST_TOKEN, prior.first_token or FIRST_TOKEN_PRIOR, first)
        if length < 2.0:
            return (until_first,)
        each = (attempt.seconds - first) / length
        return until_first, (Signal.PER_TOKEN, prior.per_token or PER_TOKEN_PRIOR, each)
    if wait is Wait.CENSORED_IF_LONG and (first is not None or attempt.seconds <= snapshot.wait_seconds(context)[row]):
        return ()
    faced = CENSORED_FACTOR * attempt.seconds
    if not attempt.stream:
        offset = snapshot.constants.offset_tokens[row]
        seconds = faced / (offset + _expected_tokens(snapshot, row, context))
        return ((Signal.TOTAL, prior.total or TOTAL_PRIOR, seconds),)
    if first is None:
        return ((Signal.FIRST_TOKEN, prior.first_token or FIRST_TOKEN_PRIOR, faced),)
    each = (faced - first) / max(_expected_tokens(snapshot, row, context), 1.0)
    return ((Signal.PER_TOKEN, prior.per_token or PER_TOKEN_PRIOR, each),)


def _expected_tokens(snapshot: Snapshot, row: int, context: Context) -> float:
    tokens, _ = snapshot.completion_tokens(context.task, context.max_tokens)
    return tokens[row]
