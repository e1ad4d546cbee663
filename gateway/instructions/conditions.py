"""Conditions of wishes: tests of a request's task class, length and tools, read from the words of a condition."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from gateway.instructions.facts import NOTHING_ELSE, Circumstances, Fact
from gateway.instructions.lexicon import (
    CONDITIONS,
    CORRECTNESS,
    INTERACTIVE,
    REASONING,
    TASKS,
    Dimension,
    Entry,
    Kind,
)
from gateway.instructions.sentences import Part, Segment, Word

_CIRCUMSTANCES = frozenset(
    {Kind.TOPIC, Kind.WEAK_TOPIC, Kind.SCALE, Kind.TOOLS, Kind.HARD, Kind.IMPORTANT, Kind.OVER, Kind.FACT, None}
)
_PRIORITIES = MappingProxyType({Dimension.QUALITY: CORRECTNESS, Dimension.SECOND: INTERACTIVE})
"""The tasks that "when correctness matters" and "when latency is critical" stand for."""

_JOINERS = frozenset({Kind.AND, Kind.OR, Kind.COMMA})
_SPLIT = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as conditions see it: its classes, the words of its class's name, its length and tools, and facts."""

    kinds: frozenset[str]
    name: frozenset[str]
    long: bool
    tools: bool
    circumstances: Circumstances = NOTHING_ELSE


@lru_cache(1_024)
def kinds_of(task: str) -> tuple[frozenset[str], frozenset[str]]:
    """The built-in classes that a class counts as, and the words of its name.

    A caller's own class counts as the classes that its words name: `code-review` is code.
    """
    words = frozenset(_SPLIT.split(task.lower())) - {""}
    if task in TASKS:
        return frozenset({task}), words
    spoken = (CONDITIONS.words.get(word) for word in words)
    return frozenset().union(*(entry.tasks for entry in spoken if entry)), words


@dataclass(frozen=True, slots=True)
class Atom:
    """One kind of request. Empty `tasks`: any class; None: any length, with or without tools."""

    tasks: frozenset[str] = frozenset()
    long: bool | None = None
    tools: bool | None = None
    negated: bool = False
    words: frozenset[str] = frozenset()  # as written, to match a caller's own class
    unknown: tuple[Word, ...] = ()
    complete: bool = False  # has its own noun: "long documents"
    facts: frozenset[Fact] = frozenset()

    def testable(self, asked: Asked) -> bool:
        """Whether it contains anything that can be tested."""
        measured = self.long is not None or self.tools is not None
        return bool(self.tasks or self.facts) or measured or self._named(asked)

    def holds(self, asked: Asked) -> bool:
        """Whether the request is of this kind."""
        fits = (
            (not (self.tasks or self.unknown) or bool(self.tasks & asked.kinds) or self._named(asked))
            and self.long in {None, asked.long}
            and self.tools in {None, asked.tools}
            and (not self.facts or asked.circumstances.agree(self.facts))
        )
        return fits != self.negated

    def _named(self, asked: Asked) -> bool:
        return bool(asked.name) and asked.name <= self.words


@dataclass(frozen=True, slots=True)
class Condition:
    """A disjunction of atoms, or its negation. Without atoms it always holds."""

    atoms: tuple[Atom, ...]
    negated: bool = False

    def testable(self, asked: Asked) -> bool:
        """Whether all of it can be tested on this request."""
        return all(atom.testable(asked) for atom in self.atoms)

    def holds(self, asked: Asked) -> bool:
        """Whether the request meets it."""
        return (not self.atoms or any(atom.holds(asked) for atom in self.atoms)) != self.negated


def read_condition(segment: Segment) -> Condition | None:
    """The condition of a segment; None if the segment says what is wanted, as in "for speed"."""
    if any(word.kind is Kind.ANY for word in segment.words) and not _says_more(segment.words):
        return Condition((), segment.part is Part.UNLESS)
    if segment.marker == "for" and not any(word.kind in _CIRCUMSTANCES for word in segment.words):
        return None
    atoms = _atoms(segment.words)
    if not atoms:
        return None
    return Condition(tuple(atoms), segment.part is Part.UNLESS)


def _says_more(words: Iterable[Word]) -> bool:
    return any(word.kind in {Kind.TOPIC, Kind.SCALE, Kind.TOOLS, Kind.HARD, Kind.FACT, None} for word in words)


def _atoms(words: Sequence[Word]) -> list[Atom]:
    atoms: list[Atom] = []
    stretch: list[Word] = []
    joiner: Kind | None = None
    negated = excepted = False
    for word in (*words, Word("", None, -1, -1)):
        kind = word.kind
        if kind is Kind.AVOID:
            negated = True
        elif kind is Kind.EXCEPT:
            excepted = True
        if kind in _JOINERS or word.start < 0:
            atom = _atom(stretch, negated != excepted)
            if atom:
                _join(atoms, atom, joiner)
            if kind is not Kind.OR and stretch:
                negated = False
            joiner = kind if stretch or joiner is not Kind.AND else joiner
            stretch = []
        else:
            stretch.append(word)
    return atoms


def _join(atoms: list[Atom], atom: Atom, joiner: Kind | None) -> None:
    """Add an atom to a list. A bare adjective narrows its neighbour; atoms that are negated together become one."""
    last = atoms[-1] if atoms else None
    if last and joiner is Kind.AND and (_bare(last) or _bare(atom)):
        atoms[-1] = Atom(
            last.tasks | atom.tasks,
            atom.long if last.long is None else last.long,
            atom.tools if last.tools is None else last.tools,
            last.negated or atom.negated,
            last.words | atom.words,
            (*last.unknown, *atom.unknown),
            last.complete or atom.complete,
            last.facts | atom.facts,
        )
    elif last and last.negated and atom.negated and not (_bare(last) or _bare(atom)):
        atoms[-1] = replace(
            last, tasks=last.tasks | atom.tasks, words=last.words | atom.words, unknown=(*last.unknown, *atom.unknown)
        )
    else:
        atoms.append(atom)


def _bare(atom: Atom) -> bool:
    return not (atom.tasks or atom.unknown or atom.complete)


def _atom(words: Sequence[Word], negated: bool) -> Atom | None:
    """The atom of the words between two joiners; None if they say nothing about requests."""
    unknown = [word for word in words if word.entry is None]
    entries = [word.entry for word in words if word.entry]
    kinds = [entry.kind for entry in entries]
    scales = [entry.flag for entry in entries if entry.kind is Kind.SCALE]
    facts = frozenset().union(*(entry.facts for entry in entries))
    tools = next((entry.flag for entry in entries if entry.kind is Kind.TOOLS), None)
    tasks = _tasks_of(entries, Kind.TOPIC)
    priority = next((entry.dimension for entry in entries if entry.dimension), None)
    if not tasks and priority:
        tasks = _PRIORITIES.get(priority, tasks)
        if not tasks:  # whether cost matters can't be seen from a request
            unknown = [word for word in words if word.entry and word.entry.dimension]
    tasks = tasks or _tasks_of(entries, Kind.WEAK_TOPIC)
    if not tasks and Kind.HARD in kinds:
        tasks = REASONING
    if not (tasks or unknown or scales or facts or tools is not None):
        return None
    return Atom(
        tasks=tasks,
        long=scales[-1] if scales else None,
        tools=tools,
        negated=negated,
        words=frozenset(part for word in words for part in _SPLIT.split(word.text)),
        unknown=tuple(unknown),
        complete=bool(scales) and Kind.THING in kinds[kinds.index(Kind.SCALE) :],
        facts=facts,
    )


def _tasks_of(entries: Iterable[Entry], kind: Kind) -> frozenset[str]:
    return frozenset().union(*(entry.tasks for entry in entries if entry.kind is kind))
