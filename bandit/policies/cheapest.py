"""The model that is expected to cost least for this request."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import Prospects, shared_by_best, without_deviation


@dataclass(frozen=True, slots=True)
class Cheapest:
    """argmax of -cost."""

    name: str = "cheapest"
    explores: bool = False

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """Dollars, negated."""
        return without_deviation([-usd for usd in value.cost_usd])

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
