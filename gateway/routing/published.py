"""One snapshot of a router, and the choices that were made from it: equal questions get equal probabilities."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from bandit.buckets import bucketed
from bandit.decision import choose
from bandit.draws import Intervals, intervals_of
from bandit.posteriors.snapshot import Snapshot
from bandit.quick import kept_property
from bandit.types import NO_STEERING, AppliedRule, Attempt, Choice, Context, Draw, Epoch, PromptParts, Steering
from gateway.choice_records import record_of
from storage.records import DecisionRecord

MOST_CHOICES = 512
"""Choices that are kept with a snapshot."""

MOST_PREPARED = 4
"""Choices that are computed with a new snapshot before anybody asks: the last of those that are asked repeatedly."""

_PIECE_BYTES = 2_047

Question: TypeAlias = tuple[
    Context, tuple[str, ...], Steering, tuple[tuple[str, str], ...], tuple[AppliedRule, ...], int | None
]
"""What a choice depends on beside the snapshot: context, candidates, steering, who was left out, rules, part."""


@dataclass(eq=False, slots=True)
class Alike:
    """What all requests share whose first draw from a choice was the same arm: made by who needs it first.

    `decision` and `attempt` are records of one of them, to be told from which is cheaper than field by field.
    """

    reason: str | None = None
    decision: DecisionRecord | None = None
    attempt: Attempt | None = None


@dataclass(eq=False)
class CachedChoice:
    """A choice, and what all decisions that are drawn from it share, computed for the first of them.

    `recurs` tells whether its question was asked twice, of one snapshot or of two in turn.
    """

    choice: Choice
    recurs: bool
    _alike: dict[tuple[str, float, bool], Alike] = field(default_factory=dict)

    def alike(self, first: Draw) -> Alike:
        """What all requests with this first draw share."""
        drawn = (first.model_id, first.propensity, first.randomised)
        alike = self._alike.get(drawn)
        if alike is None:
            alike = self._alike[drawn] = Alike()
        return alike

    @kept_property
    def record(self) -> bytes:
        """As it is recorded."""
        return record_of(self.choice)

    @kept_property
    def choice_digest(self) -> str:
        """Of its record."""
        return _digest(self.record)

    @kept_property
    def intervals(self) -> Intervals:
        """What its arms are drawn from."""
        return intervals_of(self.choice)

    @kept_property
    def costs_usd(self) -> Mapping[str, float]:
        """Expected dollars of an answer by model."""
        return {arm.model_id: arm.cost_usd for arm in self.choice.arms}

    @kept_property
    def best_model_id(self) -> str:
        """The model of the largest mean utility; to obey a rule is no trial."""
        return max(self.choice.arms, key=lambda arm: (arm.low >= 1.0, arm.mean_usd)).model_id


class Published:
    """One snapshot and the choices already made from it: equal questions get equal probabilities."""

    __slots__ = ("_before", "_choices", "_plain", "_prepared", "at", "snapshot")

    def __init__(self, snapshot: Snapshot, at: Epoch, former: "Published | None" = None) -> None:
        self.snapshot = snapshot
        self.at = at
        # What was asked of the last snapshot of which anything was.
        self._before: frozenset[Question] = frozenset()
        if former is not None:
            self._before = frozenset(former._choices) or former._before
        self._choices: dict[Question, CachedChoice] = {}
        self._prepared: dict[Question, CachedChoice] = {}  # those that nobody has asked for yet
        self._plain: dict[tuple[str, int, int | None, bool], CachedChoice] = {}  # by what `choose_plainly` takes

    def choose(
        self,
        context: Context,
        candidates: tuple[str, ...],
        steering: Steering,
        left_out: tuple[tuple[str, str], ...],
        rules: tuple[AppliedRule, ...] = (),
        part: int | None = None,
    ) -> CachedChoice:
        """Return the distribution over the candidates, from the cache if it was computed before.

        With `part` it is that of this part of the router's experiment.
        """
        question = (context, candidates, steering, left_out, rules, part)
        cached = self._choices.get(question)
        if cached is not None:
            cached.recurs = True
        else:
            cached = self._prepared.pop(question, None)
            if cached is None:
                cached = CachedChoice(choose(self.snapshot, *question), recurs=question in self._before)
            if len(self._choices) >= MOST_CHOICES:
                del self._choices[next(iter(self._choices))]
            self._choices[question] = cached
        return cached

    def choose_plainly(
        self, task: str, text_tokens: int, max_tokens: int | None, stream: bool, arm_ids: tuple[str, ...]
    ) -> CachedChoice:
        """As `choose` among all the router's arms, of a prompt that is text alone and has so many estimated tokens."""
        asked = (task, text_tokens, max_tokens, stream)
        cached = self._plain.get(asked)
        if cached is not None:
            cached.recurs = True
            return cached
        context = bucketed(task, PromptParts(text_tokens), max_tokens=max_tokens, stream=stream, wants_json=False)
        cached = self.choose(context, arm_ids, NO_STEERING, ())
        if len(self._plain) >= MOST_CHOICES:
            self._plain.clear()
        self._plain[asked] = cached
        return cached

    def prepare(self, former: "Published") -> None:
        """Compute the choices that were made last from the former snapshot, of those that recur."""
        asked = reversed((former._choices or former._prepared).items())
        for question in islice((question for question, cached in asked if cached.recurs), MOST_PREPARED):
            self._prepared[question] = CachedChoice(choose(self.snapshot, *question), recurs=True)


def _digest(record: bytes) -> str:
    """BLAKE2b of a choice's record, in pieces: for more at once hashlib releases the GIL, and waits to get it back."""
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(record), _PIECE_BYTES):
        digest.update(record[start : start + _PIECE_BYTES])
    return digest.hexdigest()
