"""A target policy's probabilities follow from the record of a choice alone."""

import pytest

from bandit.decision import choose
from bandit.ope.targets import target_probabilities
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Choice, Context, Objective, RouterSettings

OBJECTIVE = Objective(0.01, 0.0, 0.001)


def a_choice(
    objective: Objective = OBJECTIVE, policy: str = "thompson", scored: bool = True, floor: float | None = None
) -> Choice:
    settings = RouterSettings("rtr_t", policy=policy, objective=objective, quality_floor=floor)
    prices = {"cheap": 1e-6, "good": 8e-6, "middle": 3e-6}
    arms = [Arm(model, Price(usd, usd, usd)) for model, usd in prices.items()]
    sums = {}
    for model, quality in (("cheap", 0.5), ("good", 0.9), ("middle", 0.75)):
        if scored:
            sums[StatisticKey("rtr_t", model, "chat", Signal.QUALITY)] = Sums(0.0, 1e9, 30.0, 30.0 * quality, 20.0)
        sums[StatisticKey("rtr_t", model, "", Signal.OUTCOMES)] = Sums(0.0, 1e9, 30.0, 30.0, 30.0)
    snapshot = take_snapshot(settings, arms, sums, BudgetState(), 0.0)
    return choose(snapshot, Context("chat", 1_000), tuple(prices))


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("floor", [None, 0.7])
def test_thompson_under_the_logged_objective_is_the_logged_policy(scored: bool, floor: float | None) -> None:
    choice = a_choice(scored=scored, floor=floor)
    assert target_probabilities(choice, "thompson") == {view.model_id: view.p for view in choice.arms}


def test_thompson_under_another_objective_is_what_it_would_have_been() -> None:
    other = Objective(0.002, 0.0, 0.001)
    told = target_probabilities(a_choice(), "thompson", other)
    made = a_choice(other)
    assert told == pytest.approx({view.model_id: view.p for view in made.arms}, abs=0.02)
    assert told["cheap"] > target_probabilities(a_choice(), "thompson")["cheap"]


@pytest.mark.parametrize("policy", ["uniform", "cheapest", "fastest", "latency_weighted", "fixed:middle", "fixed:gone"])
def test_a_target_chooses_as_a_router_with_that_policy_would_have(policy: str) -> None:
    would_have = a_choice(policy=policy)
    assert target_probabilities(a_choice(), policy) == {view.model_id: view.p for view in would_have.arms}


def test_the_mean_under_another_objective_is_what_it_would_have_been() -> None:
    other = Objective(0.02, 0.001, 0.1)
    told = target_probabilities(a_choice(), "best", other)
    assert told == target_probabilities(a_choice(other), "best")


def test_fewer_models_share_all_of_the_probability() -> None:
    told = target_probabilities(a_choice(), "uniform", models=("good", "cheap", "unknown"))
    assert told == {"cheap": 0.5, "good": 0.5}


@pytest.mark.parametrize(("policy", "model"), [("cheapest", "cheap"), ("fixed:middle", "middle")])
def test_certain_policies_choose_one(policy: str, model: str) -> None:
    assert target_probabilities(a_choice(), policy)[model] == 1.0


def test_a_fixed_model_that_was_no_candidate_gives_way_to_the_best() -> None:
    assert target_probabilities(a_choice(), "fixed:gone") == target_probabilities(a_choice(), "best")


@pytest.mark.parametrize("policy", ["round_robin", "fixed:", "uniform:x", ""])
def test_policies_that_the_record_cannot_tell_are_refused(policy: str) -> None:
    with pytest.raises(ValueError, match="can't be evaluated"):
        target_probabilities(a_choice(), policy)
