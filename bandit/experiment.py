"""Experiments: several policies share a router's requests, and each user, API key or request keeps one of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bandit.quick import quick_dataclass


class Unit(StrEnum):
    """What is assigned to a policy, once and for all."""

    USER = "user"
    KEY = "key"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of an experiment and its share of the units."""

    policy: str
    share: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """The policies of a router, whose shares sum to 1. Their order decides who changes if a share does."""

    parts: tuple[Part, ...]
    unit: Unit

    @property
    def id(self) -> str:
        """A digest of all of it: requests of equal experiments can be compared."""
        said = "\0".join([self.unit, *(f"{part.policy}\0{part.share!r}" for part in self.parts)])
        return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


@quick_dataclass(frozen=True, slots=True)
class PartView:
    """What one part compares, and the probabilities that it gives; one value per arm of the choice, in their order."""

    policy: str
    share: float
    exploration: float
    index: tuple[float, ...]
    index_deviation: tuple[float, ...]
    limited: tuple[bool, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    p: tuple[float, ...]


@quick_dataclass(frozen=True, slots=True)
class ExperimentView:
    """The experiment that a choice was made in, as `part` of it, with what every part would have done."""

    id: str
    unit: Unit
    part: int
    parts: tuple[PartView, ...]

    @property
    def logged(self) -> list[float]:
        """The probability of each arm given all that was settled before the request.

        If requests are assigned, this one was not: it is that of the mixture of all parts. A user or a key was assigned
        before, and may have shaped what came since, so it is that of its part alone.
        """
        if self.unit != Unit.REQUEST:
            return list(self.parts[self.part].p)
        shares = [part.share for part in self.parts]
        # Rounding must not take a certainty beyond 1.
        return [
            min(sum(share * p for share, p in zip(shares, of_arm, strict=True)), 1.0)
            for of_arm in zip(*(part.p for part in self.parts), strict=True)
        ]


def part_at(shares: Sequence[float], u: float) -> int:
    """The number of the part whose interval of cumulated shares holds u; the last takes the remainder."""
    cumulated = 0.0
    for number, share in enumerate(shares[:-1]):
        cumulated += share
        if u < cumulated:
            return number
    return len(shares) - 1
