"""Thompson sampling with a Normal posterior of each arm's utility, without classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit.matching import best_probabilities
from bandit.policies.flat import flat_scores, flat_utility_usd
from bandit.posteriors.priors import DEFAULT_QUALITY
from bandit.value import Value

PRIOR_VARIANCE = 0.25
"""Of one score, before any was seen; the prior is worth one."""


@dataclass(frozen=True, slots=True)
class GaussianThompson:
    """U_k ~ Normal(mean, variance of one score / (n_k + 1)), the variance estimated (Honda and Takemura 2014)."""

    name: str = "gaussian_thompson"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """Mean utility and its deviation."""
        number, total, squares = flat_scores(value)
        size = number + 1.0
        mean = (total + DEFAULT_QUALITY) / size
        second = (squares + DEFAULT_QUALITY**2 + PRIOR_VARIANCE) / size
        deviation = np.sqrt(np.maximum(second - mean**2, 1e-4) / size)
        usd = value.objective.quality_usd * np.array(value.success) * deviation
        return flat_utility_usd(value, mean).tolist(), usd.tolist()

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """The probability that each is the best."""
        return best_probabilities(indexes, deviations)
