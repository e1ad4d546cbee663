"""The laws of a choice: probabilities are probabilities, match their definition, and follow from the record alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.decision import choose
from bandit.draws import draw
from bandit.exploration import explored
from bandit.matching import best_probabilities
from bandit.policies import named
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.replay import replay
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, ArmPrior, ArmView, BudgetState, Context, RouterSettings

CONTEXT = Context("code", 200)
MODELS = ("a/one", "b/two", "c/three", "d/four")
THOMPSON = RouterSettings("rtr_x")
POLICIES = (
    "thompson",
    "uniform",
    "cheapest",
    "fastest",
    "round_robin",
    "epsilon_greedy",
    "ucb1",
    "gaussian_thompson",
    "flat_beta",
    "latency_weighted",
    "static_scorecard",
    "fixed:b/two",
)

scores = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 1)), min_size=4, max_size=4)


def snapshot_of(
    seen: list[tuple[float, float]], settings: RouterSettings = THOMPSON, outcomes: float = 100.0
) -> Snapshot:
    """A router of four arms with (number, mean) of scores each."""
    sums: dict[StatisticKey, Sums] = {}
    for model_id, (count, mean) in zip(MODELS, seen, strict=True):
        if count:
            sums[StatisticKey("rtr_x", model_id, "code", Signal.QUALITY)] = Sums(0.0, 1e9, count, count * mean)
        sums[StatisticKey("rtr_x", model_id, "", Signal.OUTCOMES)] = Sums(0.0, float("inf"), outcomes)
    arms = [Arm(model_id, Price(1e-7 * 3**k, 4e-7 * 3**k, 1e-7 * 3**k)) for k, model_id in enumerate(MODELS)]
    return take_snapshot(settings, arms, sums, BudgetState(), 0.0)


@given(
    means=st.lists(st.floats(-1, 1), min_size=1, max_size=12),
    scale=st.lists(st.floats(-6, 1), min_size=12, max_size=12),
)
def test_the_probabilities_of_being_best_sum_to_one(means: list[float], scale: list[float]) -> None:
    p = best_probabilities(means, [10.0**power for power in scale[: len(means)]])
    assert sum(p) == pytest.approx(1.0, abs=1e-12)
    assert min(p) >= 0.0


@pytest.mark.parametrize("seed", range(12))
def test_the_probabilities_of_being_best_are_those_of_a_large_monte_carlo(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    means = rng.normal(0.0, 1.0, count)
    deviations = 10.0 ** rng.uniform(-2.0, 1.0, count)
    samples = rng.normal(means, deviations, size=(400_000, count)).argmax(axis=1)
    expected = np.bincount(samples, minlength=count) / 400_000
    assert np.abs(np.array(best_probabilities(means.tolist(), deviations.tolist())) - expected).max() < 0.004


@pytest.mark.parametrize("policy", POLICIES)
@given(seen=scores, order=st.permutations(MODELS), id_=st.uuids())
def test_every_policys_choice_sums_to_one_ignores_order_and_replays(
    policy: str, seen: list[tuple[float, float]], order: list[str], id_: object
) -> None:
    snapshot = snapshot_of(seen, RouterSettings("rtr_x", policy=policy))
    choice = choose(snapshot, CONTEXT, tuple(order))
    assert choice == choose(snapshot, CONTEXT, MODELS)
    assert sum(arm.p for arm in choice.arms) == pytest.approx(1.0, abs=1e-9)
    assert [arm.model_id for arm in choice.arms] == sorted(order)
    drawn = draw(choice, b"a secret", str(id_))
    again = replay(choice, drawn)
    assert again.identical
    assert again.model_id == drawn.model_id
    assert draw(choice, b"a secret", str(id_)) == drawn


def test_exploration_leaves_every_candidate_a_share() -> None:
    settings = RouterSettings("rtr_x", exploration=0.08)
    choice = choose(snapshot_of([(4_000, 0.0), (4_000, 0.0), (4_000, 0.0), (4_000, 1.0)], settings), CONTEXT, MODELS)
    assert min(arm.p for arm in choice.arms) > 0.004


@given(st.lists(st.floats(-1e3, 1.0), min_size=1, max_size=12), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_exploring_is_a_distribution_and_its_cost_has_a_bound(
    means_usd: list[float], exploration: float, quality_usd: float
) -> None:
    """Whatever an arm costs: its part of the exploration share is worth at most a tenth of a perfect answer."""
    even = [1.0 / len(means_usd)] * len(means_usd)
    p = explored(even, exploration, means_usd, quality_usd)
    assert sum(p) == pytest.approx(1.0)
    best = max(means_usd)
    for share, mean in zip(p, means_usd, strict=True):
        part = share - (1.0 - exploration) / len(means_usd)
        assert share >= 0.0
        assert quality_usd == 0.0 or part * (best - mean) <= exploration * 0.1 * quality_usd + 1e-9


def test_equal_arms_explore_evenly() -> None:
    assert explored([1.0, 0.0], 0.02, [0.5, 0.5], 0.01) == pytest.approx([0.99, 0.01])


def choose_with_an_untried_model(*, joined_late: bool) -> ArmView:
    """How d/four is considered, which alone of four models has no outcomes; the others are bad."""
    snapshot = snapshot_of([(400, 0.1), (400, 0.1), (400, 0.1), (0, 0.0)])
    known = {key: sums for key, sums in _outcomes(500.0).items() if key.model_id != "d/four"}
    quality = {StatisticKey("rtr_x", model, "code", Signal.QUALITY): Sums(0.0, 1e9, 400.0, 4.0) for model in MODELS[:3]}
    arms = [*snapshot.arms[:3], replace(snapshot.arms[3], prior=ArmPrior(joined_late=joined_late))]
    choice = choose(take_snapshot(snapshot.settings, arms, known | quality, BudgetState(), 0.0), CONTEXT, MODELS)
    return next(arm for arm in choice.arms if arm.model_id == "d/four")


def test_a_newcomer_is_capped_while_others_are_known() -> None:
    arm = choose_with_an_untried_model(joined_late=True)
    assert arm.newcomer
    assert arm.p <= 0.2 + 1e-9


def test_a_model_that_was_there_from_the_start_is_no_newcomer_however_little_it_was_asked() -> None:
    arm = choose_with_an_untried_model(joined_late=False)
    assert not arm.newcomer
    assert arm.high == 1.0
    assert arm.p > 0.5


def test_a_policy_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="thomson"):
        named("thomson")


def test_no_candidate_and_an_unknown_one_are_refused() -> None:
    snapshot = snapshot_of([(1, 0.5)] * 4)
    with pytest.raises(ValueError, match="at least one"):
        choose(snapshot, CONTEXT, ())
    with pytest.raises(ValueError, match="x/none"):
        choose(snapshot, CONTEXT, ("x/none",))


def _outcomes(count: float) -> dict[StatisticKey, Sums]:
    return {StatisticKey("rtr_x", model_id, "", Signal.OUTCOMES): Sums(0.0, float("inf"), count) for model_id in MODELS}
