"""Policies: each gives every candidate an index and a deviation, and turns these into probabilities."""

from collections.abc import Sequence
from typing import Protocol

from bandit.value import Value


class Prospects(Protocol):
    """What is expected of the candidates, in their order: for a request now, or as a choice's record says."""

    @property
    def model_ids(self) -> Sequence[str]:
        """Their models."""
        ...

    @property
    def mean_usd(self) -> Sequence[float]:
        """Expected utility."""
        ...

    @property
    def deviation_usd(self) -> Sequence[float]:
        """Of the utility's posterior, the temperature applied."""
        ...

    @property
    def cost_usd(self) -> Sequence[float]:
        """Expected cost."""
        ...

    @property
    def seconds(self) -> Sequence[float]:
        """Expected seconds until the whole answer is there."""
        ...


class Policy(Protocol):
    """One way to choose. A decision records indexes and deviations; probabilities are a pure function of them."""

    @property
    def name(self) -> str:
        """The policy's name in the settings, with its argument."""
        ...

    @property
    def explores(self) -> bool:
        """Whether the router's exploration share, limits, floors and newcomer caps apply: thompson alone."""
        ...

    def compare(self, value: Value) -> tuple[list[float], list[float]]:
        """Index and deviation of each candidate, in the candidates' order."""
        ...

    def probabilities(self, indexes: Sequence[float], deviations: Sequence[float]) -> list[float]:
        """The probability of each candidate, summing to 1."""
        ...


class RecordedPolicy(Policy, Protocol):
    """A policy that compares nothing but what a choice's record holds: off-policy evaluation can recompute it."""

    def compare(self, value: Prospects) -> tuple[list[float], list[float]]:
        """Index and deviation of each candidate, in the candidates' order."""
        ...


def shared_by_best(indexes: Sequence[float]) -> list[float]:
    """All probability on the largest index, shared equally if several are largest."""
    best = max(indexes)
    winners = [index == best for index in indexes]
    share = 1.0 / sum(winners)
    return [share if wins else 0.0 for wins in winners]


def without_deviation(indexes: list[float]) -> tuple[list[float], list[float]]:
    """Indexes without a deviation."""
    return indexes, [0.0] * len(indexes)
