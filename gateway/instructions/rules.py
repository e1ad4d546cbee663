"""Builds rules from segments: which wish holds under which conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.instructions.conditions import Asked, Condition, read_condition
from gateway.instructions.effects import Mention, Mode, Wish, read_wish
from gateway.instructions.lexicon import Kind
from gateway.instructions.sentences import SEPARATORS, Part, Segment, Word, read_sentences

Span = tuple[int, int]

MOST_RULES = 64
"""Rules of one text that are kept; the text of further ones counts as not understood."""

_EMPTY = SEPARATORS | {Kind.FILLER}
_CONDITIONS = frozenset({Part.IF, Part.UNLESS})


@dataclass(frozen=True, slots=True)
class Rule:
    """A wish that holds if all of `conditions` hold, and not all of any group in `unless`."""

    wish: Wish
    conditions: tuple[Condition, ...] = ()
    unless: tuple[tuple[Condition, ...], ...] = ()

    @property
    def wishes(self) -> bool:
        """Whether the rule asks for anything."""
        return bool(self.wish.multipliers or self.wish.mentions or self.wish.max_usd is not None)

    def untested(self) -> list[Span]:
        """Positions of conditions whose words say nothing; they are all that a rule without a wish has to report."""
        groups = (self.conditions, *self.unless)
        return [
            (word.start, word.end)
            for group in groups
            for condition in group
            for atom in condition.atoms
            for word in atom.unknown
        ]

    def holds(self, asked: Asked) -> bool:
        """Whether the wish is in force for a request. Conditions that can't be tested do not hold."""
        if not all(condition.testable(asked) for group in (self.conditions, *self.unless) for condition in group):
            return False
        return all(condition.holds(asked) for condition in self.conditions) and not any(
            all(condition.holds(asked) for condition in group) for group in self.unless
        )

    def unknown_conditions(self, asked: Asked) -> list[Word]:
        """Words of its conditions that say nothing about this request."""
        return [
            word
            for condition in self.conditions
            for atom in condition.atoms
            if not (asked.name and asked.name <= atom.words)
            for word in atom.unknown
        ]


def read_rules(text: str) -> tuple[tuple[Rule, ...], tuple[Span, ...]]:
    """The rules of a text, and the stretches of it that were not understood."""
    sentences, end = read_sentences(text)
    rules: list[Rule] = []
    unknown: list[Span] = []
    for sentence in sentences:
        if len(rules) < MOST_RULES:
            found = _Reading(rules).read(sentence)
            unknown.extend((word.start, word.end) for rule in found for word in rule.wish.unknown)
            rules.extend(rule for rule in found if rule.wishes)
            unknown.extend(span for rule in found if not rule.wishes for span in rule.untested())
            if sentence and not any(_says_something(rule.wish) for rule in found):
                unknown.append((sentence[0].words[0].start, sentence[-1].words[-1].end))
        elif sentence:
            unknown.append((sentence[0].words[0].start, len(text)))
            break
    if text[end:].strip():
        unknown.append((end, len(text)))
    return tuple(rules), tuple(unknown)


def _says_something(wish: Wish) -> bool:
    return bool(wish.multipliers or wish.mentions or wish.unknown or wish.max_usd is not None)


Groups = tuple[tuple[Condition, ...], ...]


@dataclass(slots=True)
class _Draft:
    """A wish whose own conditions are still being read; without any, the sentence's leading conditions apply."""

    wish: Wish
    leading: tuple[Condition, ...]
    unless: Groups
    own: list[Condition]

    def rules(self) -> list[Rule]:
        conditions = tuple(self.own) or self.leading
        if not (self.wish.only_then and self.wish.mentions and conditions):
            return [Rule(self.wish, conditions, self.unless)]
        others = tuple(Mention(Mode.AVOID, mention.words) for mention in self.wish.mentions)
        return [Rule(Wish(mentions=others), (), (conditions,)), Rule(replace(self.wish, mentions=()), conditions)]


class _Reading:
    """Reads sentences in order: an "otherwise" refers to the one before."""

    def __init__(self, before: Sequence[Rule]) -> None:
        self._before = before
        self._leading: tuple[Condition, ...] = ()
        self._unless: Groups = ()
        self._drafts: list[_Draft] = []

    def read(self, segments: Sequence[Segment]) -> list[Rule]:
        segments = _without_purposes(segments)
        for place, segment in enumerate(segments):
            following = segments[place + 1] if place + 1 < len(segments) else None
            if segment.part is Part.EFFECT:
                wish = read_wish(segment.words, following is not None and following.part in _CONDITIONS)
                if any(word.kind not in _EMPTY for word in segment.words):
                    self._drafts.append(_Draft(wish, self._leading, self._unless, []))
            elif segment.part is Part.OTHERWISE:
                self._otherwise(following is not None)
            elif condition := read_condition(segment):
                self._attach(condition, segment, segments[place - 1] if place else None, following)
        return self._rules(self._drafts)

    def _attach(
        self, condition: Condition, segment: Segment, preceding: Segment | None, following: Segment | None
    ) -> None:
        """Attach a condition to the wish before it, except for the first one and for "…, for code use …"."""
        opens = (
            segment.part is Part.IF
            and preceding is not None
            and preceding.words[-1].kind in SEPARATORS
            and following is not None
            and following.part is Part.EFFECT
        )
        if opens:
            self._leading = (condition,)
        elif self._drafts:
            self._drafts[-1].own.append(condition)
        else:
            self._leading = (*self._leading, condition)

    def _otherwise(self, more_follows: bool) -> None:
        """Apply to the wishes that follow; at the end of a sentence, to the last one."""
        if more_follows:
            self._unless = self._groups(self._drafts)
            self._leading = ()
        elif self._drafts:
            last = self._drafts[-1]
            last.unless = self._groups(self._drafts[:-1])
            last.leading = ()

    def _groups(self, drafts: Sequence[_Draft]) -> Groups:
        rules = (*self._before, *self._rules(drafts))
        return tuple(dict.fromkeys(rule.conditions for rule in rules if rule.conditions))

    @staticmethod
    def _rules(drafts: Sequence[_Draft]) -> list[Rule]:
        return [rule for draft in drafts for rule in draft.rules()]


def _without_purposes(segments: Sequence[Segment]) -> list[Segment]:
    """Turn `for speed`, which states no condition, into words of the wish before it, or into a wish."""
    found: list[Segment] = []
    for segment in segments:
        if segment.part is not Part.IF or read_condition(segment):
            found.append(segment)
        elif found and found[-1].part is Part.EFFECT:
            found[-1] = Segment(Part.EFFECT, (*found[-1].words, *segment.words))
        else:
            found.append(Segment(Part.EFFECT, segment.words))
    return found
