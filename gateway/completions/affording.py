"""Which models a request can afford, by its own limit and what is left of the router's and the API key's."""

import math
from collections.abc import Mapping

from bandit.types import Epoch
from gateway.dollars import dollars
from gateway.errors import BudgetExhausted
from gateway.limits.allowance import KeyAllowance
from gateway.routing.daily_spend import DailySpend


def affordable_models(
    able: tuple[str, ...],
    costs: Mapping[str, float],
    max_usd: float | None,
    spend: DailySpend,
    now: Epoch,
    left_out: dict[str, str],
    allowance: KeyAllowance | None,
) -> tuple[str, ...]:
    """The models whose expected cost is within the request's limit and what is left of the router's and the key's.

    A free model always is. Raises BudgetExhausted if there is none.
    """
    left_usd = spend.left_usd(now)
    key_usd = math.inf if allowance is None else allowance.left_usd(now)
    limit_usd = min(left_usd, key_usd, math.inf if max_usd is None else max_usd)
    affordable = tuple(model_id for model_id in able if costs[model_id] <= limit_usd)
    if not affordable:
        cheapest = min(able, key=lambda model_id: costs[model_id])
        expected = (
            f"{cheapest}, the cheapest that can serve this request, is expected to cost {dollars(costs[cheapest])}"
        )
        if allowance is not None and key_usd <= limit_usd:
            raise allowance.exhausted(now, expected)
        if left_usd <= limit_usd:
            raise BudgetExhausted(
                f"{dollars(left_usd)} are left of the router's {dollars(spend.limit_usd or 0.0, 6)} for this UTC day, "
                f"and {expected}; it serves again at midnight UTC",
                should_retry=False,
            )
        raise BudgetExhausted(f"this request may cost {dollars(limit_usd, 6)}, and {expected}", should_retry=False)
    over = [model_id for model_id in able if model_id not in affordable]
    left_out.update({id_: f"is expected to cost {dollars(costs[id_])}, more than {dollars(limit_usd)}" for id_ in over})
    return affordable
