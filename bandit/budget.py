"""Paces a mean-cost budget: the shadow price of a dollar rises while the router spends too much."""

import math

from bandit.types import BudgetState

STEP = 0.1
"""η: how fast the shadow price moves."""
WINDOW_RESPONSES = 50
"""The moving mean of the cost is over about this many responses."""
LARGEST_MULTIPLIER = 1_000.0


def pace(state: BudgetState, budget_usd: float, cost_usd: float) -> BudgetState:
    """The state after a response that cost `cost_usd`, for a mean budget of `budget_usd` a request.

    1 + λ ← clip((1 + λ)·exp(η·(EMA(cost)/budget - 1)), 1, 1000): a step of dual mirror descent with the entropy as its
    reference (Balseiro, Lu and Mirrokni 2020), on a moving mean that starts at the budget itself. A cost that is no
    number changes nothing.

    Raises ValueError for a budget that is not positive.

    >>> state = BudgetState()
    >>> for _ in range(100):
    ...     state = pace(state, budget_usd=0.001, cost_usd=0.0015)
    >>> round(state.multiplier, 1)  # a dollar counts 18 times
    17.7
    """
    if not budget_usd > 0.0 or not math.isfinite(budget_usd):
        raise ValueError(f"budget_usd_per_request: must be more than 0 dollars, not {budget_usd}")
    if not math.isfinite(cost_usd) or cost_usd < 0.0:
        return state
    mean = budget_usd if state.mean_cost_usd is None else state.mean_cost_usd
    mean += (cost_usd - mean) / WINDOW_RESPONSES
    # Bounded before the exponential: one absurd cost must not overflow it.
    exponent = min(STEP * (mean / budget_usd - 1.0), math.log(LARGEST_MULTIPLIER))
    return BudgetState(min(max(state.multiplier * math.exp(exponent), 1.0), LARGEST_MULTIPLIER), mean)
