"""Thompson sampling with computed probabilities: an arm is chosen as often as it is probably the best."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.matching import best_probabilities
from bandit.policies.policy import Prospects


@dataclass(frozen=True, slots=True)
class Thompson:
    """p_k = P(U_k is the largest) on the hierarchical posteriors (Thompson 1933; Chapelle and Li 2011)."""

    name: str = "thompson"
    explores: bool = True

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """The utility's mean and deviation."""
        return list(value.mean_usd), list(value.deviation_usd)

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """The probability that each is the best."""
        return best_probabilities(indexes, deviations)
