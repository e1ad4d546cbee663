"""Priors: scorecards order models before any score, and latency and length come from the same model elsewhere."""

import math

import pytest

from bandit.posteriors.priors import completion_tokens_cap, model_prior, unit_score
from bandit.posteriors.snapshot import take_snapshot
from bandit.types import Arm, ArmPrior, BudgetState, RouterSettings, Signal, StatisticKey, Sums


def elsewhere(signal: Signal, weight: float, total: float, squares: float = 0.0) -> dict[StatisticKey, Sums]:
    task = "code" if signal is Signal.COMPLETION_TOKENS else ""
    return {StatisticKey("rtr_other", "p/a", task, signal): Sums(0.0, 1e9, weight, total, squares)}


def test_scorecards_order_models_before_any_score() -> None:
    arms = [Arm("p/a", None, ArmPrior(scorecard=0.8)), Arm("p/b", None), Arm("p/c", None, ArmPrior(scorecard=0.4))]
    quality, variance = take_snapshot(RouterSettings("rtr_a"), arms, {}, BudgetState(), 0.0).quality("code")
    assert quality.tolist() == pytest.approx([0.8, 0.6, 0.4])
    assert variance[1] > variance[0]


def test_what_other_routers_saw_of_a_model_is_its_prior_but_never_its_quality() -> None:
    prior = model_prior(
        elsewhere(Signal.FIRST_TOKEN, 100.0, 100.0 * math.log(0.3), 100.0 * math.log(0.3) ** 2)
        | elsewhere(Signal.COMPLETION_TOKENS, 50.0, 50.0 * 220.0)
        | elsewhere(Signal.QUALITY, 500.0, 10.0)
    )
    assert prior.first_token is not None
    assert prior.first_token.mean == pytest.approx(math.log(0.3))
    assert prior.first_token.weight == 10.0
    assert prior.completion_tokens == pytest.approx(220.0)
    assert prior.scorecard is None
    assert completion_tokens_cap(prior) == pytest.approx(880.0)


def test_broken_rows_of_other_routers_are_no_prior() -> None:
    assert model_prior(elsewhere(Signal.FIRST_TOKEN, math.nan, 1.0)) == ArmPrior()


@pytest.mark.parametrize("score", [-0.1, 100.1, math.nan])
def test_a_score_outside_its_range_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="score"):
        unit_score(score, 0.0, 100.0)
