"""UCB1: the arm whose utility could still be the best (Auer, Cesa-Bianchi and Fischer 2002)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit.policies.flat import flat_scores, flat_utility_usd
from bandit.policies.policy import shared_by_best, without_deviation
from bandit.posteriors.priors import DEFAULT_QUALITY
from bandit.value import Value

UNSCORED_BONUS = 1e6
"""An arm without a score comes before all that have one."""

FADED = 1e-9
"""Scores that have faded to less than this count as none."""


@dataclass(frozen=True, slots=True)
class Ucb1:
    """argmax of mean utility + quality_usd · √(2 ln N / n_k), N scores in all and n_k the arm's."""

    name: str = "ucb1"
    explores: bool = False

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """Mean utility plus the width of its confidence bound."""
        number, total, _ = flat_scores(value)
        scored = number > FADED
        quality = np.where(scored, total / np.where(scored, number, 1.0), DEFAULT_QUALITY)
        everything = max(float(number.sum()), 1.0)
        width = np.sqrt(2.0 * np.log(everything) / np.where(scored, number, 1.0))
        bonus = np.where(scored, value.objective.quality_usd * width, UNSCORED_BONUS)
        return without_deviation((flat_utility_usd(value, quality) + bonus).tolist())

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """All on the best."""
        return shared_by_best(indexes)
