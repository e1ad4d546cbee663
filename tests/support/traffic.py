"""Records as a busy router of five models writes them: one failed call, one that answered, and what is learned."""

import hashlib
import json
import math
import os
import random
import time
from collections.abc import Iterator

from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Attempt, Ending, Epoch
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord, Status

ROUTER = "rtr_writer"
MODELS = tuple(f"provider-{number}/model-{number}" for number in range(5))
TASKS = ("code", "chat", "analysis")
ROWS_OF_A_RECORD = 3
"""A decision and two attempts, without the rows of statistics, traffic and choices."""

SHARED_BY = 20
"""Decisions drawn from one choice: a snapshot serves 20 of them at 400 requests a second."""


def make_records(seed: int, start: float | None = None, step_seconds: float = 0.002) -> Iterator[CompletionRecord]:
    """Records without end, `step_seconds` apart."""
    chance, at = random.Random(seed), time.time() if start is None else start
    choice, digest = b"", ""
    number = 0
    while True:
        if number % SHARED_BY == 0:
            choice = _choice(chance)
            digest = hashlib.blake2b(choice, digest_size=16).hexdigest()
        yield _record(chance, number, at + number * step_seconds, choice, digest)
        number += 1


def _choice(chance: random.Random) -> bytes:
    """A choice about as long as that of five arms."""
    names = ("mean_usd", "deviation_usd", "quality", "quality_deviation", "scores", "success", "validity", "cost_usd")
    more = ("seconds", "low", "high", "p_best", "p_explored", "p")
    arms = [{"model_id": model, **{name: chance.random() for name in names + more}} for model in MODELS]
    return json.dumps({"algorithm": "matching-1", "policy": "thompson", "arms": arms}).encode()


def _record(chance: random.Random, number: int, at: float, choice: bytes, digest: str) -> CompletionRecord:
    failing, answering = chance.sample(MODELS, 2)
    task = chance.choice(TASKS)
    tokens = chance.randrange(20, 900)
    decision = DecisionRecord(
        completion_id=f"req_{int(at * 1e3):012x}{os.urandom(10).hex()}",
        router_id=ROUTER,
        key_id="key_019a0000000000000000000000000000",
        at=Epoch(at),
        choice_digest=digest,
        choice=choice,
        algorithm="matching-1",
        policy="thompson",
        task=task,
        drawn_model_id=failing,
        u=chance.random(),
        propensity=chance.random(),
        randomised=True,
        stream=number % 3 == 0,
        estimated_prompt_tokens=311,
        request_bytes=1_290,
    )
    outcome = OutcomeRecord(
        status=Status.ANSWERED,
        ended_at=Epoch(at + 1.5),
        seconds=1.5,
        overhead_seconds=0.0004,
        model_id=answering,
        attempts=2,
        prompt_tokens=305,
        cached_tokens=0,
        completion_tokens=tokens,
        cost_usd=0.0031,
        estimated=False,
        finish_reason="stop",
        reason=f"Short {task} request: {failing} was first choice and failed (status 503); {answering} answered, "
        "quality 0.86 from 212 scores, about $0.0031 and 1.4 s.",
        http_status=200,
    )
    attempts = (
        _attempt(1, failing, Ending.FAILED, at, None),
        _attempt(2, answering, Ending.COMPLETE, at + 0.4, tokens),
    )
    return CompletionRecord(decision, attempts, outcome, _deltas(failing, answering, task, tokens, outcome.ended_at))


def _attempt(number: int, model_id: str, ending: Ending, at: float, tokens: int | None) -> Attempt:
    return Attempt(
        number=number,
        model_id=model_id,
        propensity=0.4,
        randomised=number == 1,
        ending=ending,
        started_at=at,
        seconds=0.4,
        stream=False,
        status=503 if tokens is None else 200,
        detail="the server is overloaded" if tokens is None else "",
        finish_reason=None if tokens is None else "stop",
        prompt_tokens=None if tokens is None else 305,
        completion_tokens=tokens,
        cost_usd=0.0 if tokens is None else 0.0031,
    )


def _deltas(failing: str, answering: str, task: str, tokens: int, at: float) -> dict[StatisticKey, Sums]:
    def key(model_id: str, signal: Signal, of_task: str = "") -> StatisticKey:
        return StatisticKey(ROUTER, model_id, of_task, signal)

    return {
        key(failing, Signal.SUCCESS): Sums(at, 3_600.0, 1.0),
        key(failing, Signal.OUTCOMES): Sums(at, math.inf, 1.0),
        key(answering, Signal.SUCCESS): Sums(at, 3_600.0, 1.0, 1.0, 1.0),
        key(answering, Signal.OUTCOMES): Sums(at, math.inf, 1.0),
        key(answering, Signal.TOTAL): Sums(at, 1_800.0, 1.0, -5.1, 26.01),
        key(answering, Signal.COMPLETION_TOKENS, task): Sums(at, 604_800.0, 1.0, tokens, float(tokens) ** 2),
        key(answering, Signal.PROMPT_RATIO): Sums(at, 604_800.0, 311.0, 305.0),
    }
