"""The model that is expected to answer soonest."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import Prospects, shared_by_best, without_deviation


@dataclass(frozen=True, slots=True)
class Fastest:
    """argmax of -seconds."""

    name: str = "fastest"
    explores: bool = False

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """Seconds, negated."""
        return without_deviation([-seconds for seconds in value.seconds])

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
