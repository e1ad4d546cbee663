"""The best by evaluations and list price, without learning: a strong baseline, always worth showing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit.policies.policy import shared_by_best, without_deviation
from bandit.posteriors.priors import DEFAULT_QUALITY
from bandit.posteriors.quality import SMALLEST_WEIGHT
from bandit.utility import utility_usd
from bandit.value import Value


@dataclass(frozen=True, slots=True)
class StaticScorecard:
    """argmax of quality_usd · mean eval score - (1 + λ) · expected cost; a model without evaluations counts as 0.6."""

    name: str = "static_scorecard"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """The worth of the mean over all evaluations and tasks, less the cost."""
        weight, total, _ = value.snapshot.counted.of_sources.sum(axis=2)[:, value.rows]
        cards = np.where(weight > 0.0, total / np.maximum(weight, SMALLEST_WEIGHT), DEFAULT_QUALITY)
        nothing = np.zeros_like(cards)
        utility = utility_usd(
            value.objective,
            quality=cards,
            failed=nothing,
            cost_usd=np.array(value.cost_usd),
            seconds=nothing,
            price_multiplier=value.price_multiplier,
        )
        return without_deviation(utility.tolist())

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
