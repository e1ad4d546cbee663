"""LinUCB with forgetting, as ParetoBandit and others use it for models that change."""

import numpy as np

from benchmarks.replay.baselines.linear import LinearArms
from benchmarks.replay.scenarios import World

ALPHA = 0.5
FADING = 0.997


class ForgettingLinUcb(LinearArms):
    """LinUCB on statistics that fade by γ = 0.997 with each score of the model (Russac et al. 2019)."""

    def __init__(self, world: World, value: float, seed: int) -> None:
        super().__init__(world, value, FADING)

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """The largest upper bound."""
        mean, variance = self.predict(t)
        return self.best(t, mean + ALPHA * np.sqrt(variance), failed)
