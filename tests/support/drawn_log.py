"""A ledger of real choices, drawn and scored in a world whose truth is known."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from bandit.decision import choose
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Choice, Context, Epoch, Objective, RouterSettings
from storage.database.months import first_id
from storage.records import CompletionRecord, FeedbackRecord
from tests.support.records import NOW, RecordMaker, RunningWriter

MODELS = ("m/cheap", "m/fair", "m/good", "m/late", "m/sage")
QUALITY = (0.55, 0.7, 0.8, 0.75, 0.92)
COST_USD = (0.0004, 0.001, 0.003, 0.002, 0.01)
SECONDS = (0.5, 1.0, 1.5, 6.0, 3.0)
OBJECTIVE = Objective(quality_usd=0.02, second_usd=0.0002, failure_usd=0.005)
TASKS = ("code", "chat", "other")


def choices(count: int, seed: int = 1, router_id: str = "rtr_a", models: Sequence[str] = MODELS) -> Iterator[Choice]:
    """As many different choices, each of what had been learned by then: a little of the truth."""
    rng = np.random.default_rng(seed)
    settings = RouterSettings(router_id, objective=OBJECTIVE, exploration=0.3)
    arms = [
        Arm(model, Price(usd / 1_000, usd / 1_000, usd / 1_000)) for model, usd in zip(models, COST_USD, strict=False)
    ]
    for _ in range(count):
        sums = {}
        for model, quality, seconds in zip(models, QUALITY, SECONDS, strict=False):
            seen, mean = float(rng.uniform(5, 40)), min(max(quality + float(rng.normal(0, 0.1)), 0.0), 1.0)
            for signal, each in ((Signal.FIRST_TOKEN, 0.1 * seconds), (Signal.PER_TOKEN, 0.9 * seconds / 300.0)):
                ln = float(np.log(each))
                key = StatisticKey(router_id, model, "", signal)
                sums[key] = Sums(0.0, 1e9, seen, seen * ln, seen * (ln * ln + 0.1))
            for task in TASKS:
                key = StatisticKey(router_id, model, task, Signal.QUALITY)
                sums[key] = Sums(0.0, 1e9, seen, seen * mean, seen * mean * mean)
            for signal in (Signal.OUTCOMES, Signal.SUCCESS):
                sums[StatisticKey(router_id, model, "", signal)] = Sums(0.0, 1e9, seen, seen, seen)
        snapshot = take_snapshot(settings, arms, sums, BudgetState(), 0.0)
        yield choose(snapshot, Context(TASKS[int(rng.integers(3))], 1_000, stream=True), tuple(models))


def fill(
    running: RunningWriter,
    making: RecordMaker,
    count: int,
    distinct: int,
    *,
    router_id: str = "rtr_a",
    start: float = NOW,
    step: float = 1.0,
    seed: int = 1,
    models: Sequence[str] = MODELS,
) -> list[CompletionRecord]:
    """Write as many requests, one each `step` seconds, every other one scored; the records in their order.

    `models` are up to five, each with the truth of its place.
    """
    rng = np.random.default_rng(seed)
    made = list(choices(distinct, seed, router_id, models))
    raw = [msgspec.json.encode(each) for each in made]
    records, scores = [], []
    for number in range(count):
        which = number * distinct // count
        choice, at = made[which], Epoch(start + step * number)
        arm = int(rng.choice(len(models), p=[view.p for view in choice.arms]))
        id_ = f"{first_id(at)}{rng.bytes(10).hex()}"
        record = making.completion(
            router_id, models[arm], completion_id=id_, at=at, task=choice.context.task, choice=raw[which]
        )
        first = replace(
            record.attempts[0],
            cost_usd=COST_USD[arm] * float(rng.uniform(0.5, 1.5)),
            seconds=SECONDS[arm] * float(rng.uniform(0.5, 1.5)),
        )
        records.append(replace(record, attempts=(first,)))
        if number % 2 == 0:
            score = making.score(id_, float(rng.random() < QUALITY[arm]))
            scores.append(replace(score, at=at + 10.0))
    for start_at in range(0, count, 2_000):
        running.write(*records[start_at : start_at + 2_000])
    for start_at in range(0, len(scores), 2_000):
        running.write(*((score,) for score in scores[start_at : start_at + 2_000]))
    return records


def score_of(records: list[CompletionRecord], making: RecordMaker, number: int, score: float) -> FeedbackRecord:
    """Another score of one of these requests."""
    return making.score(records[number].decision.completion_id, score, source="other")
