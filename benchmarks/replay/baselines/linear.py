"""Ridge regression per model, shared by the linear policies: utility as a linear function of the prompt."""

import io

import numpy as np

from benchmarks.replay.baselines.hashed import features
from benchmarks.replay.data import Floats
from benchmarks.replay.scenarios import World

RIDGE = 1.0


class LinearArms:
    """θ_k = A_k⁻¹ b_k with A_k = I + Σ x xᵀ and b_k = Σ u x over the scored requests of model k.

    `fading` is γ of A ← γA, b ← γb at each score of the model; 1: never fades.
    """

    def __init__(self, world: World, value: float, fading: float = 1.0) -> None:
        self._x = features(world)
        self._world = world
        self._value = value
        self._fading = fading
        models, size = len(world.models), self._x.shape[1]
        self._inverse = np.repeat(np.eye(size)[None] / RIDGE, models, axis=0)
        self._b = np.zeros((models, size))
        self._theta = np.zeros((models, size))

    def predict(self, t: int) -> tuple[Floats, Floats]:
        """Expected utility of each model for request t, and xᵀ A⁻¹ x."""
        x = self._x[t]
        return self._theta @ x, np.maximum((self._inverse @ x) @ x, 0.0)

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        """Learn nothing: utility is known only with the score."""

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        """Update the inverse by rank one (Sherman and Morrison 1950)."""
        x, gamma = self._x[t], self._fading
        inverse = self._inverse[arm] / gamma
        y = inverse @ x
        self._inverse[arm] = inverse - np.outer(y, y) / (1.0 + x @ y)
        utility = score - self._world.cost_usd[t, arm] / self._value
        self._b[arm] = gamma * self._b[arm] + utility * x
        self._theta[arm] = self._inverse[arm] @ self._b[arm]

    def dump(self) -> bytes:
        """All arrays."""
        file = io.BytesIO()
        np.savez(file, inverse=self._inverse, b=self._b, theta=self._theta)
        return file.getvalue()

    def load(self, state: bytes) -> None:
        """The arrays of `dump`."""
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            self._inverse, self._b, self._theta = arrays["inverse"], arrays["b"], arrays["theta"]

    def best(self, t: int, index: Floats, failed: frozenset[int]) -> int | None:
        """The candidate of request t with the largest index."""
        return best(self._world, t, index, failed)


def best(world: World, t: int, index: Floats, failed: frozenset[int]) -> int | None:
    """The offered model that has not failed with the largest index; None if none is left."""
    can = world.offered[t].copy()
    can[list(failed)] = False
    return int(np.argmax(np.where(can, index, -np.inf))) if can.any() else None
