"""Separate Beta posteriors of quality per model and task, mean cost per model and task: no cell helps another."""

import numpy as np

from benchmarks.replay.baselines.linear import best
from benchmarks.replay.scenarios import World


class CellBeta:
    """argmax of draws q ~ Beta(1 + S, 1 + N - S) less the cell's mean cost, in units of a perfect answer's value."""

    def __init__(self, world: World, value: float, seed: int) -> None:
        self._world = world
        self._value = value
        names = sorted(set(world.tasks))
        self._column = np.array([names.index(task) for task in world.tasks])
        self._sums = np.zeros((4, len(names), len(world.models)))  # scores, their sum; answers, their dollars
        self._seed = seed

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """The largest draw; a cell without an answer costs what the model's other cells do."""
        number, total, answers, dollars = self._sums[:, self._column[t]]
        rng = np.random.default_rng([self._seed, 7, t])
        quality = rng.beta(1.0 + total, 1.0 + number - total)
        everywhere = self._sums[3].sum(axis=0) / np.maximum(self._sums[2].sum(axis=0), 1.0)
        cost = np.where(answers > 0.0, dollars / np.maximum(answers, 1.0), everywhere)
        return best(self._world, t, quality - cost / self._value, failed)

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        """Add an answer's cost."""
        if answered:
            self._sums[2:, self._column[t], arm] += (1.0, self._world.cost_usd[t, arm])

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        """Add a score."""
        self._sums[:2, self._column[t], arm] += (1.0, score)

    def dump(self) -> bytes:
        """The sums."""
        return self._sums.tobytes()

    def load(self, state: bytes) -> None:
        """The sums of `dump`."""
        self._sums = np.frombuffer(state).reshape(self._sums.shape).copy()
