"""Cold start: models that nobody has tried are expected to be like the others, and the fastest soon leads."""

import math
import random
from dataclasses import dataclass

import pytest

from bandit.buckets import bucketed
from bandit.decision import choose
from bandit.draws import draw
from bandit.learning import learn_attempt, merge
from bandit.objective import preset_usd
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import StatisticKey, Sums
from bandit.types import (
    Arm,
    ArmPrior,
    ArmView,
    Attempt,
    BudgetState,
    Choice,
    Ending,
    LogNormalPrior,
    PromptParts,
    RouterSettings,
)

PRICE = Price(1e-6, 1e-5, 1e-7)
SETTINGS = RouterSettings("rtr_x", objective=preset_usd("fastest", [PRICE] * 3))
MODELS = ("p/a", "p/b", "p/c")
REQUESTS = 30
SEEN_ELSEWHERE = ArmPrior(total=LogNormalPrior(math.log(0.002), 0.5, 10.0), completion_tokens=100.0)


@dataclass
class Simulation:
    """A router whose models take `seconds`, with noise; nobody scores an answer."""

    seconds: dict[str, float]
    seed: int
    stream: bool = False
    priors: tuple[ArmPrior, ...] = (ArmPrior(),) * len(MODELS)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._sums: dict[StatisticKey, Sums] = {}
        self._at = 1_700_000_000.0
        self._arms = [Arm(model, PRICE, prior) for model, prior in zip(MODELS, self.priors, strict=True)]
        self._context = bucketed("chat", PromptParts(20), max_tokens=None, stream=self.stream, wants_json=False)

    def choice(self) -> Choice:
        snapshot = take_snapshot(SETTINGS, self._arms, self._sums, BudgetState(), self._at)
        return choose(snapshot, self._context, MODELS)

    def views(self) -> dict[str, ArmView]:
        return {arm.model_id: arm for arm in self.choice().arms}

    def play(self, requests: int) -> list[str]:
        """The models that were asked."""
        secret = self.seed.to_bytes(8, "big")
        return [self.ask(draw(self.choice(), secret, f"req_{number}").model_id) for number in range(requests)]

    def ask(self, model_id: str) -> str:
        """One answer of this model."""
        seconds = self.seconds[model_id] * math.exp(self._rng.gauss(0.0, 0.3))
        attempt = Attempt(
            number=1,
            model_id=model_id,
            propensity=1.0,
            randomised=True,
            ending=Ending.COMPLETE,
            started_at=self._at,
            seconds=seconds,
            stream=self.stream,
            first_token_seconds=0.25 * seconds if self.stream else None,
            prompt_tokens=20,
            completion_tokens=max(round(self._rng.gauss(100.0, 30.0)), 1),
        )
        snapshot = take_snapshot(SETTINGS, self._arms, self._sums, BudgetState(), self._at)
        self._at += seconds + 1.0
        merge(self._sums, learn_attempt(snapshot, self._context, attempt, self._at, None))
        return model_id


@pytest.mark.parametrize("scale", [1.0, 0.2, 8.0])
@pytest.mark.parametrize("stream", [False, True])
def test_the_fastest_of_three_models_leads_after_thirty_requests(stream: bool, scale: float) -> None:
    led = 0
    for seed in range(24):
        order = random.Random(seed).sample([scale * seconds for seconds in (1.5, 3.0, 6.0)], 3)
        simulation = Simulation(dict(zip(MODELS, order, strict=True)), seed, stream)
        asked = simulation.play(REQUESTS)[-15:]
        views = simulation.views()
        fastest = min(simulation.seconds, key=simulation.seconds.__getitem__)
        probably = max(views, key=lambda model: views[model].p)
        led += probably == fastest == max(MODELS, key=asked.count)
    assert led >= 20


def test_a_model_that_nobody_has_tried_is_expected_to_be_like_the_others() -> None:
    simulation = Simulation({"p/a": 0.2, "p/b": 0.3, "p/c": 60.0}, seed=1)
    before = simulation.views()["p/c"].seconds
    for model_id in ("p/a", "p/b") * 10:
        simulation.ask(model_id)
    assert before > 5.0
    assert simulation.views()["p/c"].seconds < 1.5


def test_an_only_model_keeps_the_built_in_expectation_and_two_untried_ones_are_alike() -> None:
    views = Simulation(dict.fromkeys(MODELS, 1.0), seed=1).views()
    assert len({view.seconds for view in views.values()}) == 1
    assert views["p/a"].p == pytest.approx(1 / 3)


def test_a_slow_model_among_fast_ones_is_known_to_be_slow() -> None:
    simulation = Simulation({"p/a": 0.3, "p/b": 0.3, "p/c": 40.0}, seed=2)
    for model_id in MODELS * 15:
        simulation.ask(model_id)
    assert simulation.views()["p/c"].seconds == pytest.approx(40.0, rel=0.35)


def test_what_other_routers_saw_of_a_model_is_not_overruled_by_this_router_s_other_models() -> None:
    simulation = Simulation(dict.fromkeys(MODELS, 5.0), seed=3, priors=(ArmPrior(), ArmPrior(), SEEN_ELSEWHERE))
    for model_id in ("p/a", "p/b") * 10:
        simulation.ask(model_id)
    assert simulation.views()["p/c"].seconds < 0.5


def test_a_price_class_speaks_louder_than_the_built_in_default_and_softer_than_the_router() -> None:
    slow = LogNormalPrior(math.log(0.3), 1.0, 4.0)
    class_prior = ArmPrior(total=slow, of_price_class=True)
    simulation = Simulation(dict.fromkeys(MODELS, 0.5), seed=4, priors=(ArmPrior(), ArmPrior(), class_prior))
    alone = simulation.views()
    assert alone["p/c"].seconds > 4.0 * alone["p/a"].seconds
    for model_id in ("p/a", "p/b") * 10:
        simulation.ask(model_id)
    assert simulation.views()["p/c"].seconds < 0.2 * alone["p/c"].seconds


@pytest.mark.parametrize("stream", [False, True])
def test_seconds_are_known_from_answers_alone(stream: bool) -> None:
    simulation = Simulation(dict.fromkeys(MODELS, 1.0), seed=5, stream=stream)
    assert not any(view.seconds_known for view in simulation.views().values())
    simulation.ask("p/a")
    assert {model for model, view in simulation.views().items() if view.seconds_known} == {"p/a"}


def test_seconds_are_known_of_a_model_that_other_routers_have_asked_and_not_of_its_price_class() -> None:
    of_class = ArmPrior(total=LogNormalPrior(0.0, 1.0, 4.0), of_price_class=True)
    views = Simulation(dict.fromkeys(MODELS, 1.0), seed=6, priors=(ArmPrior(), of_class, SEEN_ELSEWHERE)).views()
    assert [view.seconds_known for view in views.values()] == [False, False, True]


def test_answers_of_an_untried_model_are_expected_to_be_as_long_as_the_others() -> None:
    simulation = Simulation(dict.fromkeys(MODELS, 1.0), seed=7)
    before = simulation.views()["p/c"].cost_usd
    for model_id in ("p/a", "p/b") * 10:
        simulation.ask(model_id)
    tokens = 100.0
    assert before == pytest.approx(300 * PRICE.output_usd, rel=0.05)
    assert simulation.views()["p/c"].cost_usd == pytest.approx(tokens * PRICE.output_usd, rel=0.35)
