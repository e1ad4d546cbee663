"""A target policy's probabilities follow from the record of a choice alone."""

from dataclasses import replace

import pytest

from bandit.decision import choose
from bandit.ope.recorded import recorded_choice, stack
from bandit.ope.targets import Proposal, target_probabilities
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Choice, Context, Objective, RouterSettings

OBJECTIVE = Objective(0.01, 0.0, 0.001)


def a_choice(
    objective: Objective = OBJECTIVE,
    policy: str = "thompson",
    scored: bool = True,
    floor: float | None = None,
    exploration: float = 0.02,
) -> Choice:
    settings = RouterSettings("rtr_t", policy=policy, objective=objective, quality_floor=floor, exploration=exploration)
    prices = {"cheap": 1e-6, "good": 8e-6, "middle": 3e-6}
    arms = [Arm(model, Price(usd, usd, usd)) for model, usd in prices.items()]
    sums = {}
    for model, quality in (("cheap", 0.5), ("good", 0.9), ("middle", 0.75)):
        if scored:
            sums[StatisticKey("rtr_t", model, "chat", Signal.QUALITY)] = Sums(0.0, 1e9, 30.0, 30.0 * quality, 20.0)
        sums[StatisticKey("rtr_t", model, "", Signal.OUTCOMES)] = Sums(0.0, 1e9, 30.0, 30.0, 30.0)
    snapshot = take_snapshot(settings, arms, sums, BudgetState(), 0.0)
    return choose(snapshot, Context("chat", 1_000), tuple(prices))


def told_of(
    choice: Choice,
    policy: str,
    objective: Objective | None = None,
    models: tuple[str, ...] | None = None,
    exploration: float | None = None,
) -> dict[str, float]:
    """The target's probabilities of the choice's candidates, computed beside those of other choices."""
    choices = stack([recorded_choice(each) for each in (a_choice(Objective(1.0, 0.0, 0.0)), choice)])
    row = target_probabilities(choices, Proposal(policy, objective, models, exploration))[1]
    candidates = [view.model_id for view in choice.arms if models is None or view.model_id in models]
    assert row.sum() == pytest.approx(1.0)
    return {model: p for model, p in zip(choices.models, row.tolist(), strict=True) if model in candidates}


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("floor", [None, 0.7])
def test_thompson_under_the_logged_objective_is_the_logged_policy(scored: bool, floor: float | None) -> None:
    choice = a_choice(scored=scored, floor=floor)
    assert told_of(choice, "thompson") == {view.model_id: view.p for view in choice.arms}


def test_thompson_under_another_objective_is_what_it_would_have_been() -> None:
    other = Objective(0.002, 0.0, 0.001)
    told = told_of(a_choice(), "thompson", other)
    made = a_choice(other)
    assert told == pytest.approx({view.model_id: view.p for view in made.arms}, abs=0.02)
    assert told["cheap"] > told_of(a_choice(), "thompson")["cheap"]


@pytest.mark.parametrize("policy", ["uniform", "cheapest", "fastest", "latency_weighted", "fixed:middle", "fixed:gone"])
def test_a_target_chooses_as_a_router_with_that_policy_would_have(policy: str) -> None:
    would_have = a_choice(policy=policy)
    assert told_of(a_choice(), policy) == {view.model_id: view.p for view in would_have.arms}


def test_the_mean_under_another_objective_is_what_it_would_have_been() -> None:
    other = Objective(0.02, 0.001, 0.1)
    told = told_of(a_choice(), "best", other)
    assert told == told_of(a_choice(other), "best")


def test_fewer_models_share_all_of_the_probability() -> None:
    told = told_of(a_choice(), "uniform", models=("good", "cheap", "unknown"))
    assert told == {"cheap": 0.5, "good": 0.5}


@pytest.mark.parametrize(("policy", "model"), [("cheapest", "cheap"), ("fixed:middle", "middle")])
def test_certain_policies_choose_one(policy: str, model: str) -> None:
    assert told_of(a_choice(), policy)[model] == 1.0


def test_a_fixed_model_that_was_no_candidate_gives_way_to_the_best() -> None:
    assert told_of(a_choice(), "fixed:gone") == told_of(a_choice(), "best")


@pytest.mark.parametrize("policy", ["round_robin", "fixed:", "uniform:x", ""])
def test_policies_that_the_record_cannot_tell_are_refused(policy: str) -> None:
    with pytest.raises(ValueError, match="can't be evaluated"):
        told_of(a_choice(), policy)


def test_thompson_with_another_exploration_share_is_what_it_would_have_been() -> None:
    would_have = a_choice(exploration=0.3)
    assert told_of(a_choice(), "thompson", exploration=0.3) == pytest.approx(
        {view.model_id: view.p for view in would_have.arms}, abs=1e-5
    )
    assert told_of(a_choice(), "best", exploration=0.3) == told_of(a_choice(), "best")


def test_choices_of_other_candidates_are_computed_apart() -> None:
    few = a_choice()
    few = replace(few, arms=few.arms[:2])
    choices = stack([recorded_choice(few), recorded_choice(a_choice())])
    told = target_probabilities(choices, Proposal("uniform"))
    assert choices.models == ("cheap", "good", "middle")
    assert told.tolist() == [[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]
