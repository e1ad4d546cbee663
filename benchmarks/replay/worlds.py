"""Synthetic worlds: replay data made from a few numbers and a seed, for those without data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from benchmarks.replay.data import Floats, ReplayData

WORLD_SEED = 20_250_101
PROMPTS = 3_000

ASKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "code": (
            "Write a Python function that sorts a list.",
            "Why does this raise a TypeError?\n```python\nx[0]\n```",
        ),
        "maths": ("Solve for x: 3x + 7 = 22.", "What is the probability of two sixes in a row?"),
        "summarising": ("Summarise the following report in three sentences:", "Give me a short summary of this text:"),
        "chat": ("Hi! How are you today?", "Tell me something nice about the sea."),
    }
)


@dataclass(frozen=True, slots=True)
class Model:
    """A simulated model: expected quality by class, dollars per thousand answers, seconds of a typical answer."""

    name: str
    quality: tuple[float, float, float, float]  # code, maths, summarising, chat
    usd_per_1000: float
    seconds: float


def classes() -> ReplayData:
    """Five models whose order differs between classes: knowing the class helps, averaging misleads."""
    return _generate(
        "classes",
        (
            Model("large", (0.92, 0.90, 0.88, 0.90), 9.0, 6.0),
            Model("coder", (0.90, 0.55, 0.60, 0.58), 1.2, 2.5),
            Model("counter", (0.50, 0.88, 0.55, 0.60), 1.0, 3.0),
            Model("writer", (0.45, 0.48, 0.87, 0.86), 0.8, 1.5),
            Model("small", (0.40, 0.38, 0.62, 0.74), 0.1, 0.7),
        ),
    )


def flat() -> ReplayData:
    """Five models with the same order in every class: classes can only hurt."""
    qualities = (0.88, 0.84, 0.78, 0.70, 0.55)
    models = tuple(
        Model(f"level-{k}", (quality,) * 4, 4.0 / 3.0**k, 4.0 / 1.6**k) for k, quality in enumerate(qualities)
    )
    return _generate("flat", models)


def crowd() -> ReplayData:
    """Twenty models, most of them alike: finding a good one takes many scores."""
    rng = np.random.default_rng(WORLD_SEED)
    models = []
    for k in range(20):
        level = rng.beta(7.0, 3.0)
        quality = np.clip(level + rng.normal(0.0, 0.07, 4), 0.05, 0.98)
        dollars = float(np.exp(rng.normal(0.0, 1.2) + 3.0 * (level - 0.7)))
        code, maths, summarising, chat = quality.tolist()
        models.append(Model(f"model-{k:02}", (code, maths, summarising, chat), dollars, float(rng.uniform(0.5, 6.0))))
    return _generate("crowd", tuple(models))


WORLDS: Mapping[str, Callable[[], ReplayData]] = MappingProxyType({"classes": classes, "flat": flat, "crowd": crowd})
"""The synthetic worlds by name."""


def _generate(name: str, models: tuple[Model, ...]) -> ReplayData:
    """Graded qualities with a difficulty that all models share, so that hard prompts are hard for everybody."""
    models = tuple(sorted(models, key=lambda model: model.name))
    rng = np.random.default_rng([WORLD_SEED, len(models)])
    asks = list(ASKS)
    task = rng.choice(len(asks), PROMPTS, p=[0.3, 0.2, 0.2, 0.3])
    wanted: Floats = np.array([model.quality for model in models])[:, task].T
    hardness = rng.normal(0.0, 1.0, (PROMPTS, 1))
    own = rng.normal(0.0, 1.0, wanted.shape)
    logit = np.log(wanted / (1.0 - wanted)) * 1.6 + 0.9 * hardness + 0.9 * own
    quality = np.round(1.0 / (1.0 + np.exp(-logit)), 2)
    length = np.exp(rng.normal(5.0, 0.6, (PROMPTS, 1)))
    completion = np.maximum(np.round(length * np.exp(rng.normal(0.0, 0.3, wanted.shape))), 1.0)
    mean_length = float(np.exp(5.0 + (0.6**2 + 0.3**2) / 2.0))
    cost = completion / mean_length * np.array([model.usd_per_1000 / 1000.0 for model in models])
    seconds = np.array([model.seconds for model in models]) * np.exp(rng.normal(0.0, 0.35, wanted.shape))
    prompts = tuple(ASKS[asks[g]][i % len(ASKS[asks[g]])] + f" ({i})" for i, g in enumerate(task))
    return ReplayData(
        name,
        tuple(model.name for model in models),
        prompts,
        tuple(asks[g] for g in task),
        quality,
        cost,
        prompt_tokens=np.broadcast_to(np.array([[float(len(p) // 4)] for p in prompts]), wanted.shape).copy(),
        completion_tokens=completion,
        latency_s=seconds * (0.3 + 0.7 * completion / mean_length),
    )
