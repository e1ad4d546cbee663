"""Scenarios: one seed's sequence of requests, and what changes in the middle of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from benchmarks.replay.data import Floats, ReplayData

Bools = NDArray[np.bool_]

DROP = 0.5
"""Quality of the deteriorating model, relative to before."""
PRICE_CUT = 0.1
LIARS = 0.1
"""Share of dishonest scores in the scenarios about feedback."""
UNITS_PER_ANSWER = 100.0
SMALLEST_USD = 1e-12


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Rows of an evaluation on some prompts, by all models: arrays of shape (prompts, models)."""

    tasks: tuple[str, ...]
    quality: Floats
    cost_usd: Floats
    completion_tokens: Floats | None


@dataclass(frozen=True, slots=True)
class World:
    """The truth at each request t of a sequence: arrays of shape (requests, models).

    `scores` is what a judge would say of each answer, `scored` whether anybody judges request t. `offered` are the
    models that exist, `answers` those that do not fail. `prices_usd` are list prices of an input and an output token,
    shape (requests, models, 2), if the gateway knows them; None: costs are learned from bills. `evaluated` are rows of
    other prompts that are known beforehand. `judged` says which unscored requests a judge scores, `judgements` how.
    """

    models: tuple[str, ...]
    order: NDArray[np.int64]  # which prompt of the data each request is
    tasks: tuple[str, ...]
    prompts: tuple[str, ...]
    quality: Floats
    cost_usd: Floats
    scores: Floats
    scored: Bools
    offered: Bools
    answers: Bools
    prompt_tokens: Floats | None
    completion_tokens: Floats | None
    latency_s: Floats | None
    prices_usd: Floats | None = None
    changes_at: int | None = None
    restarts_at: int | None = None
    evaluated: Evaluated | None = None
    judged: Bools | None = None
    judgements: Floats | None = None
    built_in: Mapping[str, str] = field(default_factory=dict)  # the classes that call sites back off to

    def __len__(self) -> int:
        return len(self.order)

    def utility(self, value: float) -> Floats:
        """Quality less cost in units of what a perfect answer is worth; a model that fails gives nothing."""
        worth: Floats = np.where(self.answers, self.quality - self.cost_usd / value, 0.0)
        return worth


def sequence(data: ReplayData, tasks: tuple[str, ...], feedback: float, seed: int, evals: int = 0) -> World:
    """The prompts in a random order, each scored with the probability `feedback`; the same for every policy.

    The first `evals` prompts are not asked: they are an evaluation, known beforehand.
    """
    rng = np.random.default_rng([seed, 1])
    drawn = rng.permutation(len(data.prompts))
    first, order = drawn[:evals], drawn[evals:]
    quality = data.quality[order]
    yes = np.ones(quality.shape, dtype=np.bool_)

    def ordered(values: Floats | None) -> Floats | None:
        return None if values is None else values[order]

    return World(
        data.models,
        order,
        tuple(tasks[i] for i in order),
        tuple(data.prompts[i] for i in order),
        quality,
        data.cost_usd[order],
        quality,
        rng.random(len(order)) < feedback,
        yes,
        yes,
        ordered(data.prompt_tokens),
        ordered(data.completion_tokens),
        ordered(data.latency_s),
        _list_prices(data),
        evaluated=None if not evals else evaluated(data, tasks, first),
    )


def evaluated(data: ReplayData, tasks: tuple[str, ...], prompts: NDArray[np.int64]) -> Evaluated:
    """The rows of these prompts."""
    return Evaluated(
        tuple(tasks[i] for i in prompts),
        data.quality[prompts],
        data.cost_usd[prompts],
        None if data.completion_tokens is None else data.completion_tokens[prompts],
    )


def with_judge(world: World, share: float, spread: float, seed: int) -> World:
    """A judge scores a share of the requests that nobody scores. Its mean score of a model is off by an error of its
    own, with this standard deviation over models.
    """
    rng = np.random.default_rng([seed, 11])
    mean = world.quality.mean(axis=0)
    error = np.clip(rng.normal(0.0, spread, len(mean)), 0.05 - mean, 0.95 - mean)
    # Towards 1 or 0 in proportion, so that scores stay between them and their mean moves by the error.
    up = world.quality + error * (1.0 - world.quality) / np.maximum(1.0 - mean, SMALLEST_USD)
    down = world.quality * (1.0 + error / np.maximum(mean, SMALLEST_USD))
    judgements = np.clip(np.where(error > 0.0, up, down), 0.0, 1.0)
    return replace(world, judged=~world.scored & (rng.random(len(world)) < share), judgements=judgements)


def _list_prices(data: ReplayData) -> Floats | None:
    """What an input and an output token of each model cost, by least squares from its bills; None without tokens."""
    if data.prompt_tokens is None or data.completion_tokens is None:
        return None
    tokens = np.stack([data.prompt_tokens, data.completion_tokens], axis=2)
    prices = [nnls(tokens[:, k], data.cost_usd[:, k])[0] for k in range(len(data.models))]
    return np.broadcast_to(np.array(prices), (*data.cost_usd.shape, 2))


def stationary(world: World, value: float, seed: int) -> World:
    """Nothing changes."""
    return world


def quality_drop(world: World, value: float, seed: int) -> World:
    """In the middle the best model's answers become half as good."""
    middle, best = len(world) // 2, best_fixed(world, value)
    quality = world.quality.copy()
    quality[middle:, best] *= DROP
    return replace(world, quality=quality, scores=quality, changes_at=middle)


def price_cut(world: World, value: float, seed: int) -> World:
    """In the middle the most expensive model's list price falls to a tenth; the gateway knows list prices."""
    middle, dearest = len(world) // 2, int(np.argmax(world.cost_usd.mean(axis=0)))
    factor = np.ones(world.cost_usd.shape)
    factor[middle:, dearest] = PRICE_CUT
    known = priced(world)
    assert known.prices_usd is not None
    prices = known.prices_usd * factor[:, :, None]
    return replace(known, cost_usd=world.cost_usd * factor, prices_usd=prices, changes_at=middle)


def new_model(world: World, value: float, seed: int) -> World:
    """The best model is added in the middle."""
    middle, best = len(world) // 2, best_fixed(world, value)
    offered = world.offered.copy()
    offered[:middle, best] = False
    return replace(world, offered=offered, changes_at=middle)


def outage(world: World, value: float, seed: int) -> World:
    """For a quarter of the time, from the middle on, every call to the best model fails."""
    middle, best = len(world) // 2, best_fixed(world, value)
    answers = world.answers.copy()
    answers[middle : middle + len(world) // 4, best] = False
    return replace(world, answers=answers, changes_at=middle)


def biased_feedback(world: World, value: float, seed: int) -> World:
    """A tenth of the scores come from fans of the worst model: 1 for its answers, 0 for all others."""
    fans = np.random.default_rng([seed, 2]).random(len(world)) < LIARS
    worst = int(np.argmin(world.utility(value).mean(axis=0)))
    scores = world.scores.copy()
    scores[fans] = 0.0
    scores[fans, worst] = 1.0
    return replace(world, scores=scores)


def adversarial_feedback(world: World, value: float, seed: int) -> World:
    """A tenth of the scores say the opposite: 1 - q."""
    liars = np.random.default_rng([seed, 3]).random(len(world)) < LIARS
    return replace(world, scores=np.where(liars[:, None], 1.0 - world.quality, world.scores))


def restart(world: World, value: float, seed: int) -> World:
    """In the middle the state is written, the process ends, and another one reads it: nothing may change."""
    return replace(world, restarts_at=len(world) // 2)


SCENARIOS: Mapping[str, Callable[[World, float, int], World]] = MappingProxyType(
    {
        scenario.__name__: scenario
        for scenario in (
            stationary,
            quality_drop,
            price_cut,
            new_model,
            outage,
            biased_feedback,
            adversarial_feedback,
            restart,
        )
    }
)
"""Scenarios by name; `value` and `seed` determine the model concerned."""


def priced(world: World) -> World:
    """The same world with list prices; without token counts an answer is billed in hundredths of a typical one."""
    return world if world.prices_usd is not None else priced_per_answer(world)


def priced_per_answer(world: World) -> World:
    """The same world, each answer billed in hundredths of the model's true mean cost."""
    unit = np.maximum(world.cost_usd.mean(axis=0), SMALLEST_USD) / UNITS_PER_ANSWER
    prices = np.stack([np.zeros_like(unit), unit], axis=1)
    return replace(
        world,
        prompt_tokens=None,
        completion_tokens=np.round(world.cost_usd / unit),
        prices_usd=np.broadcast_to(prices, (*world.cost_usd.shape, 2)),
    )


def best_fixed(world: World, value: float) -> int:
    """The model with the highest mean utility in hindsight."""
    return int(np.argmax(world.utility(value).mean(axis=0)))
