"""Thompson sampling with one Beta posterior of quality per arm, and learned cost; no classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit.matching import best_probabilities
from bandit.policies.flat import flat_scores, flat_utility_usd
from bandit.value import Value


@dataclass(frozen=True, slots=True)
class FlatBeta:
    """q_k ~ Beta(1 + S_k, 1 + N_k - S_k), moment-matched (Thompson 1933)."""

    name: str = "flat_beta"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """Mean utility and its deviation."""
        number, total, _ = flat_scores(value)
        size = number + 2.0
        mean = (total + 1.0) / size
        deviation = np.sqrt(mean * (1.0 - mean) / (size + 1.0))
        usd = value.objective.quality_usd * np.array(value.success) * deviation
        return flat_utility_usd(value, mean).tolist(), usd.tolist()

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """The probability that each is the best."""
        return best_probabilities(indexes, deviations)
