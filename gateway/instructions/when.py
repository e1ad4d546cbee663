"""Reads the `when` of a router's rule: the conditions of instructions, and facts beside them.

A setting that is read in part would do something else than what was meant. So every word counts, and one that is not
understood is reported.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.instructions.conditions import Asked, Condition, read_condition
from gateway.instructions.facts import Fact, find_facts
from gateway.instructions.interpretation import fragments
from gateway.instructions.lexicon import Kind
from gateway.instructions.sentences import Part, Segment, Word, read_sentences

_PREFIX = "when "
_REMEMBERED = 512

_CONTENT = frozenset({Kind.TOPIC, Kind.WEAK_TOPIC, Kind.SCALE, Kind.TOOLS, Kind.HARD, Kind.FACT, Kind.THING})
_JOINERS = frozenset({Kind.AND, Kind.OR, Kind.COMMA})
_NEGATIONS = frozenset({Kind.AVOID, Kind.EXCEPT})
_KNOWN = _CONTENT | _JOINERS | _NEGATIONS | {Kind.FILLER, Kind.ANY}
_PRIORITIES = frozenset({Kind.NOUN, Kind.ADJECTIVE, Kind.IMPORTANT})
"""Words of "when correctness matters", which stand for kinds of task."""
_WITH = frozenset({"with", "use", "uses", "using"})
"""Verbs of wishes that are prepositions of conditions, as in "agents that use tools"."""
_SIGN = re.compile(r"[^\w\s.,;:!?'’\"“”/&+–—-]")


@dataclass(frozen=True, slots=True)
class When:
    """What `when` says: conditions that must all hold. `unknown` are the words that were not understood."""

    conditions: tuple[Condition, ...] = ()
    unknown: tuple[str, ...] = ()

    def holds(self, asked: Asked) -> bool:
        """Whether a request is meant."""
        return all(condition.holds(asked) for condition in self.conditions)

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts that it tests."""
        return frozenset().union(*(atom.facts for condition in self.conditions for atom in condition.atoms))


ANY_REQUEST = When()


@lru_cache(_REMEMBERED)
def read_when(text: str) -> When:
    """Read `when`. Not understood is also a text that says nothing of requests."""
    whole = _PREFIX + text
    sentences, end = read_sentences(whole, find_facts(whole))
    said = [segments for segments in sentences if segments]
    conditions: list[Condition] = []
    unknown: list[tuple[int, int]] = [(end, len(whole))] if whole[end:].strip() else []
    for number, segments in enumerate(said):
        for segment in segments:
            condition = read_condition(segment) if number == 0 and segment.part in {Part.IF, Part.UNLESS} else None
            if condition is None:
                unknown.append((segment.words[0].start, segment.words[-1].end))
            else:
                conditions.append(condition)
                unknown += [(word.start, word.end) for word in _not_understood(segment)]
    unknown += _other_signs(whole)
    if not conditions and not unknown:
        unknown = [(len(_PREFIX), len(whole))]
    said_by_us = len(_PREFIX)
    spans = sorted({(max(start, said_by_us), max(end, said_by_us)) for start, end in unknown})
    return When(tuple(conditions), fragments(whole, spans))


def _not_understood(segment: Segment) -> Iterator[Word]:
    """Words that say nothing of requests, and negations in the middle, which would reach back."""
    kinds = {word.kind for word in segment.words}
    priorities = kinds.isdisjoint({Kind.TOPIC, Kind.FACT})
    # "not long code or math": the grammar would deny what they have in common.
    unclear = not kinds.isdisjoint(_JOINERS) and not kinds.isdisjoint({Kind.FACT, Kind.SCALE, Kind.TOOLS})
    former: Sequence[Word] = ()
    told = any(word.kind in _CONTENT for word in segment.words)
    for joiner, words in _stretches(segment.words):
        content = False
        for number, word in enumerate(words):
            known = word.kind in _KNOWN or word.text in _WITH or (priorities and word.kind in _PRIORITIES)
            negates = word.kind in _NEGATIONS
            idle = negates and not any(other.kind in _CONTENT for other in words[number:])  # "not everything"
            if not known or idle or ((content or unclear) and negates):
                yield word
            content = content or word.kind in _CONTENT
        # By the comma, "code, not in German" is an alternative; who writes it means an exception.
        if joiner is Kind.COMMA and _denied(words) and not _all_topics_denied(former, words):
            yield from words
        # "code or everything": the grammar would read code alone.
        if told and not content:
            yield from (word for word in words if word.kind is Kind.ANY)
        former = words or former


def _denied(words: Sequence[Word]) -> bool:
    """Whether words say what a request is not to be."""
    return any(
        word.kind in _NEGATIONS
        or (word.entry is not None and any(fact.negated for fact in word.entry.facts))
        or (word.entry is not None and word.kind is Kind.TOOLS and not word.entry.flag)
        for word in words
    )


def _all_topics_denied(*stretches: Sequence[Word]) -> bool:
    """Whether each of some stretches denies a topic: "not code, not math" is neither."""
    return all(
        any(word.kind in _NEGATIONS for word in words)
        and all(word.kind not in {Kind.FACT, Kind.TOOLS} for word in words)
        for words in stretches
    )


def _stretches(words: Sequence[Word]) -> Iterator[tuple[Kind | None, list[Word]]]:
    """The words between joiners, each stretch with the joiner before it."""
    joiner: Kind | None = None
    stretch: list[Word] = []
    for word in words:
        if word.kind in _JOINERS:
            yield joiner, stretch
            joiner, stretch = word.kind, []
        else:
            stretch.append(word)
    yield joiner, stretch


def _other_signs(text: str) -> Iterator[tuple[int, int]]:
    """Signs that are no words, such as emoji, and brackets, which would group; within quotes any may stand."""
    facts = find_facts(text)
    for sign in _SIGN.finditer(text):
        if not any(found.start <= sign.start() < found.end for found in facts):
            yield sign.span()
