"""LinUCB: the model whose utility for this prompt could still be the best (Li et al. 2010, algorithm 1)."""

import numpy as np

from benchmarks.replay.baselines.linear import LinearArms
from benchmarks.replay.scenarios import World

ALPHA = 0.5


class LinUcb(LinearArms):
    """argmax of θ_kᵀx + α·√(xᵀA_k⁻¹x) with α = 0.5."""

    def __init__(self, world: World, value: float, seed: int) -> None:
        super().__init__(world, value)

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """The largest upper bound."""
        mean, variance = self.predict(t)
        return self.best(t, mean + ALPHA * np.sqrt(variance), failed)
