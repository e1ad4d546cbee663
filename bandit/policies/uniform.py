"""Every candidate with the same probability: what random choice costs, and what makes logs easy to evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import without_deviation
from bandit.value import Value


@dataclass(frozen=True, slots=True)
class Uniform:
    """p_k = 1/K."""

    name: str = "uniform"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """All alike."""
        return without_deviation([0.0] * len(value.rows))

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """Equal shares."""
        return [1.0 / len(indexes)] * len(indexes)
