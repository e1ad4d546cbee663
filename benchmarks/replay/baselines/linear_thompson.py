"""Linear Thompson sampling: a utility drawn from each model's posterior for this prompt (Agrawal and Goyal 2013)."""

import numpy as np

from benchmarks.replay.baselines.linear import LinearArms
from benchmarks.replay.scenarios import World

SPREAD = 0.3


class LinearThompson(LinearArms):
    """argmax of draws from Normal(θ_kᵀx, v²·xᵀA_k⁻¹x) with v = 0.3."""

    def __init__(self, world: World, value: float, seed: int) -> None:
        super().__init__(world, value)
        self._noise = np.random.default_rng([seed, 5]).normal(0.0, SPREAD, world.quality.shape)

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """The largest draw."""
        mean, variance = self.predict(t)
        return self.best(t, mean + self._noise[t] * np.sqrt(variance), failed)
