"""Traffic in proportion to speed, as load balancers do it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import Prospects, without_deviation

SHORTEST_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class LatencyWeighted:
    """p_k ∝ 1 / expected seconds."""

    name: str = "latency_weighted"
    explores: bool = False

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """Answers per second."""
        return without_deviation([1.0 / max(seconds, SHORTEST_SECONDS) for seconds in value.seconds])

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """In proportion to the index."""
        total = sum(indexes)
        return [index / total for index in indexes]
