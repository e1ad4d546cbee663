"""ε-greedy: the best arm so far, and now and then any arm (Sutton and Barto, section 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.policies.flat import flat_scores, flat_utility_usd
from bandit.policies.policy import shared_by_best, without_deviation
from bandit.posteriors.priors import DEFAULT_QUALITY
from bandit.value import Value


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """p = 1 - ε for the largest mean utility, and ε/K for all."""

    epsilon: float = 0.1
    explores: bool = False

    @property
    def name(self) -> str:
        """`epsilon_greedy:` and ε."""
        return f"epsilon_greedy:{self.epsilon:g}"

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """Mean utility, the prior a score of 0.6."""
        number, total, _ = flat_scores(value)
        return without_deviation(flat_utility_usd(value, (total + DEFAULT_QUALITY) / (number + 1.0)).tolist())

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """Mostly the best."""
        floor = self.epsilon / len(indexes)
        return [(1.0 - self.epsilon) * p + floor for p in shared_by_best(indexes)]
