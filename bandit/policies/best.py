"""The best expected value, without uncertainty or exploration: what a router would do if it stopped learning now."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import Prospects, shared_by_best, without_deviation


@dataclass(frozen=True, slots=True)
class Best:
    """argmax of expected utility. A target of evaluation, not a setting: it would never try another model."""

    name: str = "best"
    explores: bool = False

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """The utility's mean."""
        return without_deviation(list(value.mean_usd))

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
