"""The scores behind the posterior of quality: users', and those of other sources as far as users agree with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.evidence import SIGNALS, Sources
from bandit.posteriors.sources import EVALS_DISAGREE, JUDGES_DISAGREE, Trust, trust, weighed
from bandit.posteriors.statistics import Table
from bandit.quick import kept_property, quick_dataclass
from bandit.statistics import JUDGE, Signal
from bandit.types import HalfLives

Floats = NDArray[np.float64]

DOUBTED = 0.5
"""A source is doubted if users' scores have left this part of its weight, or less."""


@quick_dataclass(frozen=True, slots=True)
class Scored:
    """Weight, sum and sum of squares of the scores as they count, shape (3, arms, tasks), and the prior of the arm
    effects: its mean and weight, shape (arms,).
    """

    scores: Floats
    mean: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class CountedScores:
    """Scores of a router's models at the instant `at`, by who gave them. Each figure is computed when it is first asked
    for, and kept.
    """

    table: Table
    evaluations: Sources
    half_lives: HalfLives
    at: float

    @kept_property
    def trusts(self) -> Mapping[str, Trust]:
        """How the scores of each source count beside users'."""
        return {name: trusted for name, _, trusted in self.sources}

    @kept_property
    def doubted(self) -> tuple[tuple[str, float], ...]:
        """The sources that have lost half of their weight or more because users disagree, and what is left of it."""
        return tuple([(name, one.kept) for name, _, one in self.sources if one.kept <= DOUBTED])

    @kept_property
    def sources(self) -> list[tuple[str, Floats, Trust]]:
        """Each source with the sums of its scores and how they count."""
        table = self.table
        if Signal.JUDGED_QUALITY not in table.signals and not self.evaluations.evidence:
            return []
        users = self.by_users
        found = [
            (evidence.source, said, trust(users, said, EVALS_DISAGREE))
            for evidence, said in zip(self.evaluations.evidence, self._told[:, 0], strict=True)
        ]
        judged = table.per_task(Signal.JUDGED_QUALITY)
        if judged[0].any():
            found.append((JUDGE, judged, trust(users, judged, JUDGES_DISAGREE, table.per_arm(Signal.JUDGE_DIFFERENCE))))
        return found

    @kept_property
    def by_users(self) -> Floats:
        """Weight, sum and sum of squares of the scores that a judge has not given alone: shape (3, arms, tasks)."""
        scores = self.table.per_task(Signal.QUALITY)
        if Signal.JUDGED_QUALITY not in self.table.signals:
            return scores
        return np.maximum(scores - self.table.per_task(Signal.JUDGED_QUALITY), 0.0)

    @kept_property
    def of_sources(self) -> Floats:
        """Weight, sum and sum of squares of the scores of all sources, as they count: shape (3, arms, tasks).

        In the column of no task are those that tell of a model, but of no class.
        """
        counted = np.zeros_like(self.table.per_task(Signal.QUALITY))
        for _, said, trusted in self.sources:
            counted += weighed(self.by_users, said, trusted)
        return counted

    def told(self, signal: Signal) -> Floats:
        """What evaluations say of an amount: shape (3, arms, tasks)."""
        sums: Floats = self._told[:, SIGNALS.index(signal)].sum(axis=0)
        return sums

    @kept_property
    def _told(self) -> Floats:
        """What evaluations say now, faded: shape (sources, signals, 3, arms, tasks)."""
        return self.evaluations.faded_to(self.at, self.half_lives)
