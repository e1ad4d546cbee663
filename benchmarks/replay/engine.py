"""The product's own policies in a replay: the functions that serve, driven by data instead of a network."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import compress, product

import numpy as np

from bandit.buckets import bucketed
from bandit.budget import pace
from bandit.decision import choose
from bandit.draws import draw, redraw
from bandit.learning import learn_attempt, learn_scores, merge
from bandit.posteriors.news import News
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Deltas, Evidence, Signal, StatisticKey, Sums
from bandit.types import (
    Arm,
    ArmPrior,
    Attempt,
    BudgetState,
    Choice,
    Context,
    Ending,
    HalfLives,
    Objective,
    PromptParts,
    RouterSettings,
    Scores,
)
from benchmarks.replay.scenarios import UNITS_PER_ANSWER, Evaluated, World
from gateway.tasks.classifier import Features, classify
from gateway.tasks.prompt_parts import estimate_parts

ROUTER_ID = "rtr_replay"
FIRST_REQUEST_AT = 1_700_000_000.0
SECONDS_BETWEEN_REQUESTS = 10.0
UNKNOWN_SECONDS = 0.0
"""Latency if the data has none: nothing is learned of it, and waiting costs nothing."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a replay may set of a router. `half_life_requests` is the quality's.

    With `busy`, snapshots are renewed as a gateway's, when what was learned is worth it; else for each request.
    """

    temperature: float | None = None
    exploration: float | None = None
    half_life_requests: float | None = None
    budget_usd: float | None = None
    busy: bool = False


class Engine:
    """Thompson and the other policies of `bandit.policies` on one world."""

    def __init__(self, policy: str, world: World, value: float, seed: int, options: EngineOptions) -> None:
        self._world = world
        self._settings = _settings(policy, value, options)
        self._priors = self.priors()
        self._evidence = () if world.evaluated is None else (_evidence(world.models, world.evaluated),)
        self._priced: dict[bytes, tuple[Arm, ...]] = {}
        self._columns = {model: column for column, model in enumerate(world.models)}
        self._secret = seed.to_bytes(32, "big")
        self._sums: dict[StatisticKey, Sums] = {}
        self._budget = BudgetState()
        self._snapshot: Snapshot | None = None
        self._busy = options.busy
        self._news = News()
        self._used_arms: tuple[Arm, ...] = ()
        self._renewed_for = -1
        self._asked: Choice | None = None

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """Draw from the policy's probabilities; after a failure draw again without the failed models."""
        if failed:
            return self._choose_again(t, failed)
        if self._renewed_for != t:
            self.renew(t)
        assert self._snapshot is not None
        self._asked = choose(self._snapshot, self._context(t), self._offered(t))
        return self._columns[draw(self._asked, self._secret, str(t)).model_id]

    def renew(self, t: int) -> Snapshot:
        """The snapshot that request t is decided from."""
        arms = self._arms(t)
        former = self._snapshot if arms is self._used_arms else None
        self._used_arms, self._renewed_for = arms, t
        if former is not None and self._busy and not self._news.outdates(former, self._budget):
            return former
        sums, evidence, parents = self._sums, self._evidence, self._world.built_in
        self._snapshot = take_snapshot(self._settings, arms, sums, self._budget, _instant(t), former, evidence, parents)
        self._news = News()
        return self._snapshot

    def priors(self) -> tuple[ArmPrior, ...]:
        """The models' priors; a model that is not offered at first joins a router that has traffic."""
        return tuple(ArmPrior(joined_late=late) for late in (~self._world.offered[0]).tolist())

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        """Learn cost, tokens, latency and success, and pace the budget."""
        assert self._snapshot is not None
        attempt = self._attempt(t, arm, answered)
        self._learn(learn_attempt(self._snapshot, self.choice.context, attempt, _instant(t), None))
        if self._settings.budget_usd_per_request is not None:
            self._budget = pace(self._budget, self._settings.budget_usd_per_request, attempt.cost_usd)

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        """Learn a score, in the class and at the time of its request."""
        model, task, at = self._world.models[arm], self._world.tasks[t], _instant(t)
        before, after = Scores(ROUTER_ID, model, task, at), Scores(ROUTER_ID, model, task, at, {source: score})
        self._learn(learn_scores(before, after, self._settings.half_lives.quality))

    def dump(self) -> bytes:
        """The statistics and the budget as JSON."""
        rows = [[*key, *_fields(sums)] for key, sums in sorted(self._sums.items())]
        return json.dumps([rows, [self._budget.multiplier, self._budget.mean_cost_usd]]).encode()

    def load(self, state: bytes) -> None:
        """Continue from the JSON of `dump`."""
        rows, (multiplier, mean_cost_usd) = json.loads(state)
        self._sums = {
            StatisticKey(router_id, model_id, task, Signal(signal)): Sums(*numbers)
            for router_id, model_id, task, signal, *numbers in rows
        }
        self._budget = BudgetState(multiplier, mean_cost_usd)

    @property
    def choice(self) -> Choice:
        """The distribution that the last request's model was drawn from."""
        assert self._asked is not None
        return self._asked

    def _learn(self, deltas: Deltas) -> None:
        merge(self._sums, deltas)
        if self._busy:
            self._news.add(deltas)

    def _arms(self, t: int) -> tuple[Arm, ...]:
        """The models with their current list prices, if the gateway knows any."""
        listed = self._world.prices_usd
        key = b"" if listed is None else listed[t].tobytes()
        arms = self._priced.get(key)
        if arms is None:
            prices = (
                [None] * len(self._priors)
                if listed is None
                else [Price(input_usd, output_usd, input_usd) for input_usd, output_usd in listed[t].tolist()]
            )
            arms = tuple(map(Arm, self._world.models, prices, self._priors))
            self._priced[key] = arms
        return arms

    def _offered(self, t: int) -> tuple[str, ...]:
        offered = self._world.offered[t].tolist()
        return self._world.models if all(offered) else tuple(compress(self._world.models, offered))

    def _context(self, t: int) -> Context:
        parts = _parts_of(self._world.prompts[t])
        return bucketed(self._world.tasks[t], parts, max_tokens=None, stream=False, wants_json=False)

    def _choose_again(self, t: int, failed: frozenset[int]) -> int | None:
        names = {self._world.models[arm] for arm in failed}
        drawn = redraw(self.choice, self._secret, str(t), len(failed) + 1, names)
        return None if drawn is None else self._columns[drawn.model_id]

    def _attempt(self, t: int, arm: int, answered: bool) -> Attempt:
        world = self._world
        prompt, completion = world.prompt_tokens, world.completion_tokens
        return Attempt(
            number=1,
            model_id=world.models[arm],
            propensity=1.0,
            randomised=True,
            ending=Ending.COMPLETE if answered else Ending.FAILED,
            started_at=_instant(t),
            seconds=UNKNOWN_SECONDS if world.latency_s is None else float(world.latency_s[t, arm]),
            stream=False,
            cost_usd=float(world.cost_usd[t, arm]) if answered else 0.0,
            prompt_tokens=None if prompt is None or not answered else round(float(prompt[t, arm])),
            completion_tokens=None if completion is None or not answered else round(float(completion[t, arm])),
        )


class Static(Engine):
    """A policy that learns nothing, and is told each model's mean cost: an answer of `UNITS_PER_ANSWER` tokens."""

    def priors(self) -> tuple[ArmPrior, ...]:
        """Priors of the true mean cost, in a world that is priced per answer."""
        return tuple(replace(prior, completion_tokens=UNITS_PER_ANSWER) for prior in super().priors())

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        """Learn nothing."""

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        """Learn nothing."""


@lru_cache(maxsize=20_000)
def _parts_of(prompt: str) -> PromptParts:
    return estimate_parts(features_of(prompt))


def features_of(prompt: str) -> Features:
    """A prompt as the gateway would see it: one user turn, nothing else."""
    return Features(
        system="",
        text=prompt,
        prompt_chars=len(prompt),
        tools=False,
        tool_turns=0,
        wants_json=False,
        images=0,
        turns=1,
    )


def built_in_tasks(prompts: tuple[str, ...]) -> tuple[str, ...]:
    """The class that the product's own classifier gives each prompt."""
    return tuple(classify(features_of(prompt)) for prompt in prompts)


def _settings(policy: str, value: float, options: EngineOptions) -> RouterSettings:
    settings = RouterSettings(ROUTER_ID, policy, Objective(value, 0.0, 0.0), budget_usd_per_request=options.budget_usd)
    if options.temperature is not None:
        settings = replace(settings, temperature=options.temperature)
    if options.exploration is not None:
        settings = replace(settings, exploration=options.exploration)
    if options.half_life_requests is None:
        return settings
    seconds = options.half_life_requests * SECONDS_BETWEEN_REQUESTS
    return replace(settings, half_lives=replace(HalfLives(), quality=seconds))


def _evidence(models: tuple[str, ...], rows: Evaluated) -> Evidence:
    """The sums of an evaluation, as an import makes them: tokens where they are known, else dollars."""
    amounts = (
        (Signal.COST, rows.cost_usd)
        if rows.completion_tokens is None
        else (Signal.COMPLETION_TOKENS, rows.completion_tokens)
    )
    sums: dict[tuple[str, str, Signal], tuple[float, float, float]] = {}
    tasks = np.array(rows.tasks)
    for task, (signal, values) in product(sorted(set(rows.tasks)), ((Signal.QUALITY, rows.quality), amounts)):
        own = values[tasks == task]
        for model, total, squares in zip(models, own.sum(axis=0).tolist(), (own**2).sum(axis=0).tolist(), strict=True):
            sums[model, task, signal] = (float(len(own)), total, squares)
    return Evidence("eval:sample", FIRST_REQUEST_AT, sums)


def _instant(t: int) -> float:
    return FIRST_REQUEST_AT + SECONDS_BETWEEN_REQUESTS * t


def _fields(sums: Sums) -> tuple[float, ...]:
    return sums.at, sums.half_life, sums.weight, sums.total, sums.squares
