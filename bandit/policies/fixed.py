"""Always the same model, as without a router; the best of the others if it is no candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.policy import Prospects, shared_by_best, without_deviation


@dataclass(frozen=True, slots=True)
class Fixed:
    """p = 1 for `model_id`."""

    model_id: str
    explores: bool = False

    @property
    def name(self) -> str:
        """`fixed:` and the model."""
        return f"fixed:{self.model_id}"

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """Expected utility, the fixed model's above all others."""
        indexes = list(value.mean_usd)
        models = value.model_ids
        if self.model_id in models:
            indexes[models.index(self.model_id)] = max(indexes) + 1.0
        return without_deviation(indexes)

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
