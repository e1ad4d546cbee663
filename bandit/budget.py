"""The pacing of a mean-cost budget: a shadow price of money that rises while the router spends too much."""

import math

from bandit.types import BudgetState

STEP = 0.1
WINDOW_RESPONSES = 50
LARGEST_MULTIPLIER = 1_000.0


def pace(state: BudgetState, budget_usd: float, cost_usd: float) -> BudgetState:
    """The state after a response that cost `cost_usd`, for a mean budget of `budget_usd` a request.

    1 + λ ← clip((1 + λ)·exp(η·(EMA(cost)/budget - 1)), 1, 1000): the dual step of a primal-dual method, η = 0.1,
    the mean over about 50 responses, starting at the budget itself. A cost that is not a number changes nothing.

    Raises ValueError for a budget that is not positive.
    """
    if not budget_usd > 0.0 or not math.isfinite(budget_usd):
        raise ValueError(f"budget_usd_per_request: must be more than 0 dollars, not {budget_usd}")
    if not math.isfinite(cost_usd) or cost_usd < 0.0:
        return state
    mean = budget_usd if state.mean_cost_usd is None else state.mean_cost_usd
    mean += (cost_usd - mean) / WINDOW_RESPONSES
    exponent = min(STEP * (mean / budget_usd - 1.0), math.log(LARGEST_MULTIPLIER))
    return BudgetState(min(max(state.multiplier * math.exp(exponent), 1.0), LARGEST_MULTIPLIER), mean)
