"""The best by scorecard and list price, without learning: a strong baseline, always worth showing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit.policies.policy import shared_by_best, without_deviation
from bandit.utility import utility_usd
from bandit.value import Value


@dataclass(frozen=True, slots=True)
class StaticScorecard:
    """argmax of quality_usd · scorecard - (1 + λ) · expected cost; a model without a scorecard counts as 0.6."""

    name: str = "static_scorecard"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """The scorecard's worth less the cost."""
        cards = value.snapshot.constants.quality_mean[value.rows]
        nothing = np.zeros_like(cards)
        utility = utility_usd(
            value.objective,
            quality=cards,
            failed=nothing,
            cost_usd=value.cost_usd,
            seconds=nothing,
            price_multiplier=value.price_multiplier,
        )
        return without_deviation(utility.tolist())

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
