"""A mean budget is kept by the shadow price of a dollar, whether or not any answer is scored."""

import math

import pytest

from bandit.budget import pace
from bandit.decision import choose
from bandit.draws import draw
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Evidence, Signal
from bandit.types import Arm, BudgetState, Context, Objective, RouterSettings

SETTINGS = RouterSettings("rtr_b", objective=Objective(quality_usd=0.05, second_usd=0.0, failure_usd=0.0))
ARMS = [
    Arm("p/cheap", Price(1e-6, 1e-6, 1e-6)),
    Arm("p/dear", Price(1e-5, 1e-5, 1e-5)),
]
EVIDENCE = Evidence(
    "eval:card",
    0.0,
    {("p/cheap", "", Signal.QUALITY): (20.0, 8.0, 8.0), ("p/dear", "", Signal.QUALITY): (20.0, 18.0, 18.0)},
)
CONTEXT = Context("chat", 700)


def spent(requests: int, budget_usd: float) -> float:
    """Mean dollars of a request that is never scored; the dear model costs $0.01, the cheap one $0.001."""
    state, total = BudgetState(), 0.0
    for number in range(requests):
        snapshot = take_snapshot(SETTINGS, ARMS, {}, state, 0.0, None, (EVIDENCE,))
        model_id = draw(choose(snapshot, CONTEXT, ("p/cheap", "p/dear")), b"secret", f"req_{number}").model_id
        cost_usd = 0.01 if model_id == "p/dear" else 0.001
        state, total = pace(state, budget_usd, cost_usd), total + cost_usd
    return total / requests


@pytest.mark.parametrize("budget_usd", [0.002, 0.004, 0.008])
def test_a_budget_is_kept_and_used_without_any_score(budget_usd: float) -> None:
    assert 0.97 * budget_usd <= spent(1_500, budget_usd) <= 1.03 * budget_usd


def test_a_budget_that_is_not_reached_costs_nothing() -> None:
    state = BudgetState()
    for _ in range(500):
        state = pace(state, 0.001, 0.0005)
    assert state.multiplier == 1.0


@pytest.mark.parametrize("cost_usd", [math.nan, math.inf, -1.0])
def test_a_cost_that_is_no_number_changes_nothing(cost_usd: float) -> None:
    assert pace(BudgetState(2.0, 0.001), 0.001, cost_usd) == BudgetState(2.0, 0.001)


def test_one_absurd_cost_is_bounded() -> None:
    assert pace(BudgetState(), 1e-9, 1e300).multiplier == pytest.approx(1_000.0)


@pytest.mark.parametrize("budget_usd", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_that_is_not_positive_is_refused(budget_usd: float) -> None:
    with pytest.raises(ValueError, match="more than 0 dollars"):
        pace(BudgetState(), budget_usd, 0.001)
