"""Properties of simulated models: speed, length of answers, failure rate, and true quality per task."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from types import MappingProxyType
from typing import NamedTuple

from bandit.price import Price
from gateway.settings.presets import SIMULATED_MODELS

_NORMAL = NormalDist()
FREE = Price(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """One model. Times in seconds; `spread` is the deviation of ln(seconds) and ln(tokens); `failure_rate` in [0, 1].

    `quality` is the true mean score per task, in [0, 1]; `usual_quality` is that of any other task.
    """

    first_token_seconds: float = 0.0
    seconds_per_token: float = 0.0
    completion_tokens: int = 60
    spread: float = 0.0
    failure_rate: float = 0.0
    usual_quality: float = 0.7
    quality: Mapping[str, float] = field(default_factory=dict)
    price: Price = FREE


class Behaviour(NamedTuple):
    """Outcome, speed and length of one simulated call."""

    fails: bool
    first_token_seconds: float
    seconds_per_token: float
    completion_tokens: int


def behave(model: SimulatedModel, name: str, number: int, seed: str) -> Behaviour:
    """The behaviour of the model's `number`-th call, the same for the same seed, name and number."""
    digest = hashlib.blake2b(f"{seed}/{name}/{number}".encode(), digest_size=32).digest()
    fails, first, pace, length = (
        (int.from_bytes(digest[at : at + 8], "big") + 0.5) / 2.0**64 for at in range(0, 32, 8)
    )
    if model.spread == 0.0:
        return Behaviour(
            fails < model.failure_rate, model.first_token_seconds, model.seconds_per_token, model.completion_tokens
        )
    return Behaviour(
        fails=fails < model.failure_rate,
        first_token_seconds=model.first_token_seconds * _log_normal(first, model.spread),
        seconds_per_token=model.seconds_per_token * _log_normal(pace, model.spread),
        completion_tokens=max(1, round(model.completion_tokens * _log_normal(length, model.spread))),
    )


def _log_normal(u: float, spread: float) -> float:
    """A factor whose logarithm is normal around 0 with deviation `spread`, cut off at three deviations."""
    return float(2.718281828459045 ** (spread * min(max(_NORMAL.inv_cdf(min(max(u, 1e-12), 1 - 1e-12)), -3.0), 3.0)))


_SIMPLE = ("chat", "writing", "translation", "summarization", "cloze", "multiple_choice")
_STRICT = ("extraction", "tool_use", "question_answering")
_HARD = ("code", "math", "analysis")


def _by_task(simple: float, strict: float, hard: float) -> Mapping[str, float]:
    return MappingProxyType(
        dict.fromkeys(_SIMPLE, simple) | dict.fromkeys(_STRICT, strict) | dict.fromkeys(_HARD, hard)
    )


DEFAULT_MODELS: Mapping[str, SimulatedModel] = MappingProxyType(
    {
        "swift": SimulatedModel(
            first_token_seconds=0.03,
            seconds_per_token=0.0008,
            completion_tokens=60,
            spread=0.2,
            usual_quality=0.6,
            quality=_by_task(simple=0.88, strict=0.5, hard=0.2),
            price=SIMULATED_MODELS["swift"],
        ),
        "steady": SimulatedModel(
            first_token_seconds=0.08,
            seconds_per_token=0.0015,
            completion_tokens=80,
            spread=0.2,
            usual_quality=0.75,
            quality=_by_task(simple=0.9, strict=0.88, hard=0.5),
            price=SIMULATED_MODELS["steady"],
        ),
        "sage": SimulatedModel(
            first_token_seconds=0.2,
            seconds_per_token=0.003,
            completion_tokens=110,
            spread=0.2,
            usual_quality=0.9,
            quality=_by_task(simple=0.91, strict=0.9, hard=0.92),
            price=SIMULATED_MODELS["sage"],
        ),
    }
)
"""A cheap and quick model, one in the middle, and an expensive good one: none is the best for every task."""


def true_quality(model: str, task: str, models: Mapping[str, SimulatedModel] = DEFAULT_MODELS) -> float:
    """The mean score that simulated users give to a model's answers to a task; `model` with or without its provider."""
    found = models[model.rpartition("/")[2]]
    return found.quality.get(task, found.usual_quality)
