"""From segments to rules: which wish holds under which conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.instructions.conditions import Asked, Condition, read_condition
from gateway.instructions.effects import Mention, Mode, Wish, read_wish
from gateway.instructions.reading import Part, Segment, Word, read_sentences

MOST_RULES = 64
"""So many rules of one text are kept; the text of the rest counts as not understood."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """A wish that holds where all of `conditions` do, and not all of any group in `unless`."""

    wish: Wish
    conditions: tuple[Condition, ...] = ()
    unless: tuple[tuple[Condition, ...], ...] = ()

    def holds(self, asked: Asked) -> bool:
        """Whether the wish is in force for a request. Nothing holds that can't be tested."""
        if not all(condition.testable(asked) for group in (self.conditions, *self.unless) for condition in group):
            return False
        return all(condition.holds(asked) for condition in self.conditions) and not any(
            all(condition.holds(asked) for condition in group) for group in self.unless
        )

    def unknown_conditions(self, asked: Asked) -> list[Word]:
        """The words of its conditions that say nothing about this request."""
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
            rules.extend(rule for rule in found if rule.wish.multipliers or rule.wish.mentions)
            if sentence and not any(_says_something(rule.wish) for rule in found):
                unknown.append((sentence[0].words[0].start, sentence[-1].words[-1].end))
        elif sentence:
            unknown.append((sentence[0].words[0].start, len(text)))
            break
    if text[end:].strip():
        unknown.append((end, len(text)))
    return tuple(rules), tuple(unknown)


def _says_something(wish: Wish) -> bool:
    return bool(wish.multipliers or wish.mentions or wish.unknown)


class _Reading:
    """Reads one sentence after others, which an "otherwise" refers to."""

    def __init__(self, before: Sequence[Rule]) -> None:
        self._before = before
        self._leading: list[Condition] = []
        self._unless: tuple[tuple[Condition, ...], ...] = ()
        self._wishes: list[tuple[Wish, list[Condition], tuple[tuple[Condition, ...], ...]]] = []

    def read(self, segments: Sequence[Segment]) -> list[Rule]:
        found: list[Rule] = []
        waiting: Segment | None = None
        for segment in (*segments, None):
            condition = read_condition(segment) if segment and segment.part in {Part.IF, Part.UNLESS} else None
            if segment and segment.part in {Part.IF, Part.UNLESS} and condition is None:
                waiting = _merged(waiting, segment)  # "for speed": a wish, not a condition
                continue
            if waiting and (segment is None or segment.part is not None):
                self._wish(waiting, condition is not None)
                waiting = None
            if segment is None:
                break
            if segment.part is Part.EFFECT:
                waiting = segment
            elif segment.part is Part.OTHERWISE:
                found += self._rules()
                self._unless = tuple(rule.conditions for rule in (*self._before, *found) if rule.conditions)
                self._leading, self._wishes = [], []
            elif condition is not None:
                (self._wishes[-1][1] if self._wishes else self._leading).append(condition)
        return found + self._rules()

    def _wish(self, segment: Segment, before_condition: bool) -> None:
        wish = read_wish(segment.words, before_condition)
        if _says_something(wish):
            self._wishes.append((wish, [], self._unless))

    def _rules(self) -> list[Rule]:
        rules: list[Rule] = []
        for wish, own, unless in self._wishes:
            conditions = tuple(own or self._leading)
            if wish.only_then and wish.mentions and conditions:
                others = tuple(Mention(Mode.AVOID, mention.words) for mention in wish.mentions)
                rules.append(Rule(Wish(mentions=others), (), (conditions,)))
                rules.append(Rule(replace(wish, mentions=()), conditions, unless))
            else:
                rules.append(Rule(wish, conditions, unless))
        return rules


def _merged(waiting: Segment | None, segment: Segment) -> Segment:
    words = (*waiting.words, *segment.words) if waiting else segment.words
    return Segment(Part.EFFECT, words)
