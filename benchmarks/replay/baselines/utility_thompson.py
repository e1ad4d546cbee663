"""Gaussian Thompson sampling on utility, one number per model: costs of answers without a score are not used."""

import numpy as np

from benchmarks.replay.baselines.linear import best
from benchmarks.replay.scenarios import World

PRIOR_MEAN = 0.6
PRIOR_VARIANCE = 0.25


class UtilityThompson:
    """argmax of draws from Normal(mean utility, variance of one utility / (n + 1)) (Honda and Takemura 2014)."""

    def __init__(self, world: World, value: float, seed: int) -> None:
        self._world = world
        self._value = value
        self._sums = np.zeros((3, len(world.models)))  # number, sum and sum of squares of utilities
        self._noise = np.random.default_rng([seed, 6]).normal(0.0, 1.0, world.quality.shape)

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """The largest draw."""
        number, total, squares = self._sums
        size = number + 1.0
        mean = (total + PRIOR_MEAN) / size
        variance = (squares + PRIOR_MEAN**2 + PRIOR_VARIANCE) / size - mean**2
        return best(self._world, t, mean + self._noise[t] * np.sqrt(np.maximum(variance, 1e-4) / size), failed)

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        """Learn nothing: utility is known only with the score."""

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        """Add a utility."""
        utility = score - self._world.cost_usd[t, arm] / self._value
        self._sums[:, arm] += (1.0, utility, utility * utility)

    def dump(self) -> bytes:
        """The sums."""
        return self._sums.tobytes()

    def load(self, state: bytes) -> None:
        """The sums of `dump`."""
        self._sums = np.frombuffer(state).reshape(self._sums.shape).copy()
