"""Every candidate with the same probability: the baseline of no knowledge, and the log that is easiest to evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import Prospects, without_deviation


@dataclass(frozen=True, slots=True)
class Uniform:
    """p_k = 1/K."""

    name: str = "uniform"
    explores: bool = False

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """All alike."""
        return without_deviation([0.0] * len(value.model_ids))

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """Equal shares."""
        return [1.0 / len(indexes)] * len(indexes)
