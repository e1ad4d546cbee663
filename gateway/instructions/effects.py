"""Wishes: more or less quality, cost and latency, and models to use or to avoid."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.instructions.lexicon import EXTREME, PLAIN, SLIGHT, STRONG, Dimension, Entry, Kind
from gateway.instructions.names import LONGEST_NAME, looks_like_a_name
from gateway.instructions.sentences import Word

_REPLACED = frozenset({"rather than", "instead of"})


class Mode(Enum):
    """What to do with a named model."""

    USE = auto()
    ONLY = auto()
    WISH = auto()
    AVOID = auto()


@dataclass(frozen=True, slots=True)
class Mention:
    """A run of words that may name models. Which of them do depends on the router's models."""

    mode: Mode
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What one segment asks for: multipliers by dimension, and mentions. `unknown` words were not understood."""

    multipliers: tuple[tuple[Dimension, float], ...] = ()
    mentions: tuple[Mention, ...] = ()
    unknown: tuple[Word, ...] = ()
    max_usd: float | None = None
    only_then: bool = False  # "use X only …" restricts the other requests


@dataclass(slots=True)
class _Reader:
    """Reads the words once, and keeps what still waits for its noun or verb."""

    mode: Mode | None = None
    negative: bool = False
    only: bool = False
    wished: bool = False
    strength: float | None = None
    direction: Entry | None = None
    less: bool = False  # the word before
    over: bool = False
    waiting: list[Dimension] = field(default_factory=list)
    votes: dict[Dimension, float] = field(default_factory=dict)
    runs: list[tuple[Mode | None, list[Word]]] = field(default_factory=list)
    known: int = 0
    max_usd: float | None = None

    def read(self, words: Sequence[Word]) -> None:
        joined = False
        for word in words:
            if word.entry is None:
                if joined and len(self.runs[-1][1]) < LONGEST_NAME:
                    self.runs[-1][1].append(word)
                else:
                    self.runs.append((self._mode_of_names(), [word]))
                joined = True
                continue
            joined = False
            if word.text == "to" and self.waiting:
                self._read_over(word.text)  # as in "prefer speed to quality"
            self.known += word.entry.kind not in {Kind.FILLER, Kind.AND, Kind.OR, Kind.COMMA}
            self._read_known(word.entry, word.text)
            self.less = word.entry.kind is Kind.LESS

    def _read_known(self, entry: Entry, text: str) -> None:
        kind = entry.kind
        if kind is Kind.USE and not self.negative:
            self.mode = Mode.USE
        elif kind is Kind.PREFER and not self.negative:
            self.mode, self.wished = Mode.WISH, True
        elif kind is Kind.ONLY:
            self.only = True
        elif kind is Kind.AVOID or kind is Kind.EXCEPT:
            self.negative = True
        elif kind is Kind.MORE or kind is Kind.LESS:
            self.direction = entry
        elif kind is Kind.IMPORTANT or kind is Kind.UNIMPORTANT:
            self._read_predicate(entry)
        elif kind is Kind.STRENGTH:
            self.strength = entry.factor
        elif kind is Kind.OVER:
            self._read_over(text)
        elif kind is Kind.ADJECTIVE and entry.dimension:
            self._vote(entry.dimension, self._asks_more(entry.factor > 1.0), max(entry.factor, PLAIN))
        elif kind is Kind.NOUN and entry.dimension:
            self._read_noun(entry.dimension, entry.high_is_good)
        elif kind is Kind.MONEY:
            self.max_usd = entry.factor if self.max_usd is None else min(self.max_usd, entry.factor)

    def _mode_of_names(self) -> Mode | None:
        return Mode.AVOID if self.negative else self.mode

    def _read_predicate(self, entry: Entry) -> None:
        """Read `cost matters`, `ignore cost`: about nouns that came before, else about those that follow."""
        important = (entry.kind is Kind.IMPORTANT) != self.negative
        for dimension in self.waiting:
            self._vote(dimension, important, PLAIN)
        if not self.waiting:
            self.direction = entry
        self.waiting.clear()

    def _read_over(self, text: str) -> None:
        for dimension in self.waiting:
            self._vote(dimension, True, PLAIN)
        self.waiting.clear()
        self.direction = None
        self.over = True
        self.negative = self.negative or text in _REPLACED

    def _read_noun(self, dimension: Dimension, high_is_good: bool) -> None:
        direction = self.direction
        if self.over:
            self._vote(dimension, False, PLAIN)
        elif direction is None:
            if dimension not in self.votes:
                self.waiting.append(dimension)
        elif direction.kind is Kind.IMPORTANT or direction.kind is Kind.UNIMPORTANT:
            self._vote(dimension, (direction.kind is Kind.IMPORTANT) != self.negative, PLAIN)
        else:
            more_of_it = direction.kind is Kind.MORE
            self._vote(dimension, (more_of_it == high_is_good) != self.negative, max(direction.factor, PLAIN))

    def _asks_more(self, positive: bool) -> bool:
        """Whether an adjective asks for more of its dimension, considering `less`, `not` and `over`."""
        return positive != (self.less != (self.negative or self.over))

    def _vote(self, dimension: Dimension, more: bool, factor: float) -> None:
        """Count a dimension once per segment, with its strongest factor."""
        multiplier = factor if more else 1.0 / PLAIN
        self.votes[dimension] = max(multiplier, self.votes.get(dimension, 0.0)) if more else multiplier

    def finish(self, only_then: bool) -> Wish:
        """The wish that was read; empty if most of it was not understood."""
        if self.mode or self.votes or self.direction or self.negative or not self.runs:
            for dimension in self.waiting:
                self._vote(dimension, self.mode is not None or not self.negative, PLAIN)
        mentions: list[Mention] = []
        unknown: list[Word] = []
        for mode, words in self.runs:
            chosen = Mode.ONLY if self.only and mode in {None, Mode.USE} else mode
            if chosen is None:
                unknown.extend(words)
            else:
                mentions.append(Mention(chosen, tuple(words)))
        strangers = sum(not looks_like_a_name(word.text) for _, words in self.runs for word in words)
        if strangers > 2 * self.known:
            return Wish(unknown=tuple(word for _, words in self.runs for word in words))
        return Wish(
            tuple((dimension, self._at_strength(multiplier)) for dimension, multiplier in self.votes.items()),
            tuple(mentions),
            tuple(unknown),
            self.max_usd,
            only_then,
        )

    def _at_strength(self, multiplier: float) -> float:
        if self.strength == SLIGHT:
            return SLIGHT if multiplier > 1.0 else 1.0 / SLIGHT
        if multiplier > 1.0 and (self.only or self.strength == EXTREME):
            return EXTREME
        if multiplier > 1.0 and self.strength == STRONG:
            return STRONG if multiplier <= PLAIN else EXTREME
        return multiplier


def read_wish(words: Sequence[Word], before_condition: bool) -> Wish:
    """The wish of a segment's words."""
    reader = _Reader()
    reader.read(words)
    only_then = before_condition and bool(words) and words[-1].kind is Kind.ONLY
    if only_then:
        reader.only = any(word.kind is Kind.ONLY for word in words[:-1])
    return reader.finish(only_then)
