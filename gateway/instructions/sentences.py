"""Splits prose into segments that say what is wanted or when. A single pass over the words, so it takes linear time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from gateway.dollars import dollars
from gateway.instructions.facts import Found
from gateway.instructions.lexicon import CONDITIONS, EFFECTS, SUPERLATIVE, Entry, Kind, Table

MOST_WORDS = 300
MOST_SENTENCES = 30
"""Sentences of a text that are read; the rest counts as not understood. This bounds the time a text can take."""

LONGEST_SENTENCE = 80
"""Words of a sentence; a longer one counts as not understood."""

MOST_PARTS = 4
"""Parts of a hyphenated word that is split."""

LOOK_AHEAD = 6
"""Words without meaning that may stand between "and" and the verb that begins a new segment."""


# All of a number or nothing: a part of `0,01` or `1e-3` is another amount.
_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3}){1,2}|\d{1,7})(?:\.\d{1,9})?|\.\d{1,9})(?!\d|[.,]\d|e[+-]?\d)"
_MONEY = (
    r"\b(?:(?:never|don't|do not) (?:spend|pay) (?:more than|over)|(?:(?:spend|pay|costs?|costing|budget(?: of)?) )?"
    r"(?:at most|not? more than|not over|up to|under|below|less than|max(?:imum)?(?: of)?|cap(?:ped)? at)) ?"
    rf"(?:(?:usd|\$) ?(?P<usd>{_NUMBER})|(?P<dollars>{_NUMBER}) ?(?:usd|dollars?|\$)"
    rf"|(?P<cents>{_NUMBER}) ?(?:cents?|¢))"
    r"(?: (?:per|an?|each|for (?:each|every|this)) (?:request|call|answer|query|response|completion))?"
)
"""A limit on the cost of one request, such as "at most $0.01"."""

_TOKEN = re.compile(rf"(?P<money>(?i:{_MONEY}))|(?P<end>[.!?;\n]+)|(?P<mark>[,:()—–])|(?P<word>[^\W_][\w+/@&'’:.-]*)")
_TRAILING = ".:-'’/@&"

_BREAKERS = frozenset(
    {"use", "choose", "pick", "select", "prefer", "favor", "favour", "route", "send", "avoid", "never", "switch"}
)
"""Verbs that end a condition even without a comma."""
_SUBJECTS = frozenset({"i", "you", "we", "they", "to", "tool", "users", "that"})
_PLACES = frozenset({"with", "on", "in", "about"})
"""Words that begin a condition if a kind of request follows."""
_ROUTES = frozenset({"route", "send", "give", "assign"})
"""Verbs after which the condition comes first, as in `send math to X`."""

SEPARATORS = frozenset({Kind.COMMA, Kind.AND, Kind.BUT, Kind.THEN})
_TO = Entry(Kind.USE)
_SILENT = SEPARATORS | {Kind.FILLER, Kind.ANY}
_IMPERATIVES = frozenset({Kind.USE, Kind.PREFER, Kind.ONLY, Kind.AVOID})
_WISHES = frozenset({Kind.ADJECTIVE, Kind.NOUN, Kind.MORE, Kind.LESS})
_CIRCUMSTANCES = frozenset({Kind.TOPIC, Kind.WEAK_TOPIC, Kind.SCALE, Kind.TOOLS, Kind.HARD, Kind.THING})


class Word(NamedTuple):
    """A word or known phrase, and its position in the text. `entry` None: unknown."""

    text: str
    entry: Entry | None
    start: int
    end: int

    @property
    def kind(self) -> Kind | None:
        """Its role; None if the word is unknown."""
        return self.entry.kind if self.entry else None


class Part(Enum):
    """What a segment states."""

    EFFECT = auto()
    IF = auto()
    UNLESS = auto()
    OTHERWISE = auto()


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a sentence that states one thing. `marker` is the word that began a condition."""

    part: Part
    words: tuple[Word, ...]
    marker: str = ""


def read_sentences(text: str, facts: Sequence[Found] = ()) -> tuple[list[list[Segment]], int]:
    """The sentences of a text, each as segments, and where reading ended: the text's end, except for very long ones.

    `facts` are stretches that are read already.
    """
    sentences: list[list[Segment]] = []
    tokens: list[Word] = []
    starting = {found.start: found for found in facts}
    read_until = 0
    for number, match in enumerate(_TOKEN.finditer(text)):
        if match.start() < read_until:
            continue
        if (found_fact := starting.get(match.start())) is not None:
            facts_of, tools = found_fact.facts, found_fact.tools
            if facts_of:
                tokens.append(Word("", Entry(Kind.FACT, facts=facts_of), found_fact.start, found_fact.end))
            if tools is not None:
                tokens.append(Word("", Entry(Kind.TOOLS, flag=tools), found_fact.start, found_fact.end))
            read_until = found_fact.end
            continue
        if number >= MOST_WORDS or len(sentences) >= MOST_SENTENCES:
            sentences.append(_Sentence(tokens).segments())
            return sentences, match.start()
        group, found = match.lastgroup, match[0]
        if match["money"]:
            usd = _amount(match["usd"] or match["dollars"]) + _amount(match["cents"]) / 100.0
            tokens.append(Word(f"at most {dollars(usd, 6)}", Entry(Kind.MONEY, factor=usd), match.start(), match.end()))
            continue
        if group == "word":
            kept = found.rstrip(_TRAILING)
            tokens.append(Word(_plain(kept), None, match.start(), match.start() + len(kept)))
            found = found[len(kept) :]
        elif group == "mark":
            tokens.append(Word(found, None, match.start(), match.end()))
        if group == "end" or "." in found:
            sentences.append(_Sentence(tokens).segments())
            tokens = []
        elif group == "word" and ":" in found:
            tokens.append(Word(":", None, match.end() - 1, match.end()))
    sentences.append(_Sentence(tokens).segments())
    return sentences, len(text)


def _amount(number: str | None) -> float:
    return float((number or "0").replace(",", ""))


def _plain(word: str) -> str:
    word = word.lower().replace("’", "'")
    return word.removesuffix("'s") if word != "it's" else word


class _Sentence:
    """Splits one sentence into segments."""

    def __init__(self, tokens: list[Word]) -> None:
        self._tokens = _without_hyphens(tokens)
        self._texts = [token.text for token in self._tokens]
        self._found: list[Segment] = []
        self._part = Part.EFFECT
        self._marker = ""
        self._routes = False
        self._words: list[Word] = []

    def segments(self) -> list[Segment]:
        if len(self._tokens) > LONGEST_SENTENCE:
            return [Segment(Part.EFFECT, (self._word(None, 0, len(self._tokens)),))]
        at = 0
        while at < len(self._tokens):
            table = EFFECTS if self._part is Part.EFFECT else CONDITIONS
            entry, length = table.match(self._texts, at)
            if (known := self._tokens[at].entry) is not None:
                entry, length = known, 1
            if not self._turn(entry.kind if entry else None, at, length):
                self._words.append(self._word(entry, at, length))
            at += length
        self._open(Part.EFFECT)
        return self._found

    def _turn(self, kind: Kind | None, at: int, length: int) -> bool:
        """Begin a new segment if the words at `at` do; whether they were used up by that."""
        text = self._texts[at]
        if kind is Kind.MONEY:
            return self._turn_at_money(at)
        if kind is Kind.OTHERWISE:
            self._open(Part.OTHERWISE)
            self._words.append(self._word(None, at, length))
            self._open(Part.EFFECT)
            return True
        if kind is Kind.IF or kind is Kind.UNLESS:
            self._open(Part.IF if kind is Kind.IF else Part.UNLESS, text)
            return True
        if self._part is Part.EFFECT:
            if text in _ROUTES and self._circumstance_follows(at + length):
                self._routes = True
                self._open(Part.IF, text)
                return True
            if text in _PLACES and self._circumstance_follows(at + length):
                self._open(Part.IF, text)
                return True
            if kind is Kind.EXCEPT and self._circumstance_follows(at + length):
                self._open(Part.UNLESS, text)
                return True
            if kind is Kind.BUT or (kind in SEPARATORS and self._imperative_follows(at + length)):
                self._open(Part.EFFECT)
                return True
            if self._routes and text == "to":
                self._words.append(self._word(_TO, at, length))
                return True
            return False
        if self._routes and text == "to":
            self._open(Part.EFFECT)
            self._words.append(self._word(_TO, at, length))
            return True
        if kind in SEPARATORS and self._effect_follows(at + length, kind):
            self._open(Part.EFFECT)
            return True
        if text in _BREAKERS and length == 1 and not (at and self._texts[at - 1] in _SUBJECTS and text == "use"):
            self._open(Part.EFFECT)
            entry, _ = EFFECTS.match(self._texts, at)
            self._words.append(self._word(entry, at, 1))
            return True
        return False

    def _turn_at_money(self, at: int) -> bool:
        """A limit ends a condition such as "for code"; within one, as in "if it costs under $1", it can't be tested."""
        if self._part is Part.EFFECT:
            return False
        if self._marker == "for":
            self._open(Part.EFFECT)
            return False
        self._words.append(self._word(None, at, 1))
        return True

    def _word(self, entry: Entry | None, at: int, length: int) -> Word:
        last = self._tokens[at + length - 1]
        text = self._texts[at] if length == 1 else " ".join(self._texts[at : at + length])
        return Word(text, entry, self._tokens[at].start, last.end)

    def _open(self, part: Part, marker: str = "") -> None:
        if self._words:
            self._found.append(Segment(self._part, tuple(self._words), self._marker))
        self._part, self._marker, self._words = part, marker, []

    def _next(self, at: int, table: Table) -> tuple[str, Entry | None, bool]:
        """The first word from `at` on that has a meaning, and whether an article comes before it."""
        article = False
        until = min(len(self._tokens), at + LOOK_AHEAD)
        while at < until:
            entry, length = table.match(self._texts, at)
            if not entry or entry.kind not in _SILENT:
                return self._texts[at], entry, article
            article = article or self._texts[at] in {"the", "a", "an"}
            at += length
        return "", None, article

    def _imperative_follows(self, at: int) -> bool:
        text, entry, _ = self._next(at, EFFECTS)
        if not entry or entry.kind not in _IMPERATIVES:
            return False
        return self._part is Part.EFFECT or entry.kind is not Kind.AVOID or text in {"avoid", "never", "don't", "do"}

    def _wish_follows(self, at: int, after: Kind) -> bool:
        _, entry, article = self._next(at, CONDITIONS)
        if not entry or entry.kind not in _WISHES:
            return False
        leading = all(segment.part is not Part.EFFECT for segment in self._found)
        return after is Kind.BUT or (after is Kind.COMMA and leading) or (article and entry.factor >= SUPERLATIVE)

    def _effect_follows(self, at: int, after: Kind) -> bool:
        """Whether a condition ends here: with a command, a wish, or a limit as in "if it is code, at most $0.05"."""
        entry = self._tokens[at].entry if at < len(self._tokens) else None
        limit = entry is not None and entry.kind is Kind.MONEY
        return limit or self._imperative_follows(at) or self._wish_follows(at, after)

    def _circumstance_follows(self, at: int) -> bool:
        _, entry, _ = self._next(at, CONDITIONS)
        return entry is not None and entry.kind in _CIRCUMSTANCES


def _without_hyphens(tokens: list[Word]) -> list[Word]:
    """`low-latency` as two words, if both are known and the compound is not; names keep their hyphens."""
    split: list[Word] = []
    for token in tokens:
        parts = token.text.split("-") if "-" in token.text else ()
        if 1 < len(parts) <= MOST_PARTS and token.text not in CONDITIONS.words and all(map(_is_known, parts)):
            split.extend(Word(part, None, token.start, token.end) for part in parts)
        else:
            split.append(token)
    return split


def _is_known(word: str) -> bool:
    return word in CONDITIONS.words or word in CONDITIONS.phrases
