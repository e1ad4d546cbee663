"""Hindsight references: utility of random choice, the best fixed model and an oracle on the same requests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.replay.data import Floats, ReplayData
from benchmarks.replay.scenarios import Evaluated, World, evaluated

SCORECARD_PROMPTS = 100
"""Prompts of the small eval that a scorecard comes from."""


@dataclass(frozen=True, slots=True)
class References:
    """Mean utility of each reference on one sequence, and the best fixed model's column."""

    random: float
    oracle: float
    best_fixed: float
    best_per_task: float
    best_arm: int

    def share(self, utility: float) -> float:
        """The share of (oracle - random) that a mean utility is; 0 if there is nothing to gain."""
        gap = self.oracle - self.random
        return (utility - self.random) / gap if gap > 0.0 else 0.0


def look_back(world: World, value: float) -> References:
    """Compute the references. Only models that are offered throughout can be the fixed one."""
    utility = world.utility(value)
    can = world.offered & world.answers
    always = world.offered.all(axis=0)
    fixed = np.where(always, utility.mean(axis=0), -np.inf)
    return References(
        random=float(np.mean((utility * can).sum(axis=1) / can.sum(axis=1))),
        oracle=float(np.where(can, utility, -np.inf).max(axis=1).mean()),
        best_fixed=float(fixed.max()),
        best_per_task=_best_per_task(utility[:, always], world.tasks),
        best_arm=int(np.argmax(fixed)),
    )


def scorecard(world: World, data: ReplayData, tasks: tuple[str, ...], seed: int) -> Evaluated:
    """The evaluation that a static choice is made by: the world's, else one on 100 of the prompts."""
    if world.evaluated is not None:
        return world.evaluated
    sample = np.random.default_rng([seed, 4]).permutation(len(data.prompts))[:SCORECARD_PROMPTS]
    return evaluated(data, tasks, sample)


def _best_per_task(utility: Floats, tasks: Sequence[str]) -> float:
    names = np.array(tasks)
    total = sum(utility[names == task].sum(axis=0).max() for task in set(tasks))
    return float(total / len(tasks))
