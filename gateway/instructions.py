"""The grammar of `routing.instructions`: prose in, multipliers and a candidate filter out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bandit.types import Steering

REMEMBERED_TEXTS = 1_024


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What instructions come to for one request. `allowed` None: they name nobody to keep to."""

    steering: Steering
    allowed: frozenset[str] | None
    forbidden: frozenset[str]


@dataclass(frozen=True, slots=True)
class Instructions:
    """Instructions as they were read."""

    not_understood: tuple[str, ...]

    def apply(self, task: str, long: bool, tools: bool, models: Sequence[str]) -> Interpretation:
        """What they change for a request of this class among these models."""
        return Interpretation(Steering(not_understood=self.not_understood), None, frozenset())


@lru_cache(REMEMBERED_TEXTS)
def interpret(text: str) -> Instructions:
    """Read instructions."""
    return Instructions((text.strip(),) if text.strip() else ())
