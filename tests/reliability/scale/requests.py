"""Requests of many routers and keys, as a gateway records them: each was drawn from a choice that can be replayed."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import msgspec

from bandit.decision import choose
from bandit.draws import draw
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import ANY_TASK, Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Choice, Context, RouterSettings
from storage.records import CompletionRecord, FeedbackRecord, Status
from storage.writing.transaction import Item
from tests.support.traffic import MODELS, SHARED_BY, TASKS, make_records

WRITTEN = 20_000
NAMED = {"rtr_large": 600, "rtr_medium": 150, "rtr_small": 60, "rtr_a": 30, "rtr_b": 20, "rtr_c": 10, "rtr_d": 10}
ROUTERS = {**NAMED, **{f"rtr_{number:03d}": 1 for number in range(120)}}
"""Each router's share of the requests, in thousandths."""

KEYS = tuple(f"key_{number:032x}" for number in range(1_000))
SECRET = b"s" * 32
"""Of all routers: the draws of copies of requests do not follow from it."""

FAILED_FIRST = 0.05
SCORED = 0.1
SOURCES = ("user", "user", "user", "tests")
_EPISODES = 0.02
_ENDS = {
    Status.ANSWERED: 0.984,
    Status.FAILED: 0.01,
    Status.PARTIAL: 0.002,
    Status.CLIENT_GONE: 0.002,
    Status.REJECTED: 0.002,
}
_HTTP = {Status.FAILED: (502, "provider_error"), Status.CLIENT_GONE: (499, None), Status.REJECTED: (400, "rejected")}


def requests(seed: int, start: float, step_seconds: float, ids: Iterator[str]) -> Iterator[Item]:
    """`WRITTEN` requests, each followed by its score if it has one."""
    chance = random.Random(seed)
    routers = [router_id for router_id, share in ROUTERS.items() for _ in range(share)]
    chance.shuffle(routers)
    records = islice(make_records(seed, start, step_seconds), WRITTEN)
    for number, (record, completion_id) in enumerate(zip(records, ids, strict=False)):
        router_id = routers[number // SHARED_BY % len(routers)]
        if number % SHARED_BY == 0:
            choices = {task: _choice(chance, router_id, task) for task in TASKS}
        one = _placed(chance, record, completion_id, choices[record.decision.task])
        yield one
        if one.outcome.model_id is not None and chance.random() < SCORED:
            yield (_score(chance, one),)


def _choice(chance: random.Random, router_id: str, task: str) -> tuple[Choice, bytes]:
    """A choice among the models, as a router makes it that has learned for a while."""
    sums = {}
    for model_id in MODELS:
        weight, quality = chance.uniform(5.0, 200.0), chance.uniform(0.6, 0.95)
        key = StatisticKey(router_id, model_id, task, Signal.QUALITY)
        sums[key] = Sums(0.0, 1e9, weight, weight * quality, weight * quality * quality)
        sums[StatisticKey(router_id, model_id, ANY_TASK, Signal.OUTCOMES)] = Sums(0.0, 1e9, weight, weight, weight)
    arms = [Arm(model_id, Price(1e-6 * dear, 4e-6 * dear, 1e-7 * dear)) for dear, model_id in enumerate(MODELS, 1)]
    snapshot = take_snapshot(RouterSettings(router_id), arms, sums, BudgetState(), 0.0)
    choice = choose(snapshot, Context(task, 311), MODELS)
    return choice, msgspec.json.encode(choice)


def _placed(
    chance: random.Random, record: CompletionRecord, completion_id: str, chosen: tuple[Choice, bytes]
) -> CompletionRecord:
    """The record as one of this choice: drawn from it, ended in one of the ways, of one of the keys."""
    choice, encoded = chosen
    drawn = draw(choice, SECRET, completion_id)
    failed_first = chance.random() < FAILED_FIRST
    failing, answering = (attempt.model_id for attempt in record.attempts)
    other = answering if answering != drawn.model_id else failing
    names = {failing: drawn.model_id, answering: other} if failed_first else {answering: drawn.model_id}
    tried = tuple(replace(each, model_id=names[each.model_id]) for each in record.attempts if each.model_id in names)
    (status,) = chance.choices(list(_ENDS), list(_ENDS.values()))
    http_status, error_code = _HTTP.get(status, (200, None))
    best = max(choice.arms, key=lambda arm: arm.mean_usd).model_id
    episode = f"run-{chance.randrange(1_000)}" if chance.random() < _EPISODES else None
    return CompletionRecord(
        replace(
            record.decision,
            completion_id=completion_id,
            router_id=choice.router_id,
            key_id=chance.choice(KEYS),
            choice=encoded,
            choice_digest=hashlib.blake2b(encoded, digest_size=16).hexdigest(),
            algorithm=choice.algorithm,
            drawn_model_id=drawn.model_id,
            u=drawn.u,
            propensity=drawn.propensity,
            episode_id=episode,
            explored=drawn.model_id != best,
        ),
        tuple(replace(each, number=number) for number, each in enumerate(tried, 1)),
        replace(
            record.outcome,
            status=status,
            model_id=tried[-1].model_id if status in {Status.ANSWERED, Status.PARTIAL} else None,
            attempts=len(tried),
            http_status=http_status,
            error_code=error_code,
        ),
        {
            key._replace(router_id=choice.router_id, model_id=names[key.model_id]): sums
            for key, sums in record.deltas.items()
            if key.model_id in names
        },
    )


def _score(chance: random.Random, record: CompletionRecord) -> FeedbackRecord:
    decision = record.decision
    return FeedbackRecord(
        id=decision.completion_id.replace("req_", "fbk_"),
        completion_id=decision.completion_id,
        key_id=decision.key_id,
        any_key=False,
        routers=None,
        source=chance.choice(SOURCES),
        score=chance.random(),
        at=record.outcome.ended_at + 60.0,
    )
