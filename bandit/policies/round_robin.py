"""Each model in turn: the one that has answered least so far is next."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import shared_by_best, without_deviation
from bandit.value import Value


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """argmax of -outcomes; equals share."""

    name: str = "round_robin"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """Outcomes ever had, negated."""
        return without_deviation((-value.snapshot.outcomes[value.rows]).tolist())

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
