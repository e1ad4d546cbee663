"""The evidence in a request's words: each distinct word and phrase adds its weight to a task.

Most of the time is spent on splitting the text into words; known ones are found by intersecting two sets.
"""

import re
from typing import TypeAlias

from gateway.tasks.phrases import KNOWN_WORDS, PHRASES, PIECE, PIECES
from gateway.tasks.vocabulary import INTO, LANGUAGE, NUMERALS, OPENERS, QUANTITIES, WORDS

Evidence: TypeAlias = dict[str, float]

OPENING_WORDS = 4
"""A question word among the first words, up to this number, makes a question."""
OPENER_WEIGHT = 1.5

INTO_WEIGHT = 2.0

OPENING_BONUS = 1.5
"""Added if the very first word of a request is a task's word."""
COMMON_WEIGHT = 2.0
"""Words up to this weight, such as "write", begin requests of every kind and get no bonus."""

_FIRST_YEAR, _LAST_YEAR = "1500", "2100"
"""Numbers in this range are mostly years, not part of a word problem."""

_FIRST_UNSPACED = "\u2e80"
"""From this character on most scripts are written without spaces."""
UNSPACED_SAMPLE = 40
UNSPACED_CHARS = 160

_DIGIT = re.compile("[0-9]")
_LATIN = re.compile("[a-z]+[+#]*")
_PUNCTUATION = str.maketrans(dict.fromkeys(".,:;!?()[]{}<>\"'`|/=*_-%$¿¡«»„“”‘’\n", " "))
_KNOWN = {word: (WORDS.get(word), PHRASES.get(word, ())) for word in KNOWN_WORDS}
"""For each known word, the task it speaks for and the phrases it is part of."""


def word_evidence(text: str) -> Evidence:
    """The evidence in a text of a few hundred characters, by task."""
    evidence: Evidence = {}
    words = text.lower().translate(_PUNCTUATION).split()
    known = KNOWN_WORDS.intersection(words)
    flat = ""
    for word in known:
        vote, phrases = _KNOWN[word]
        if vote is not None:
            task, weight = vote
            if vote == LANGUAGE and words[words.index(word) - 1] in INTO:
                weight += INTO_WEIGHT
            evidence[task] = evidence.get(task, 0.0) + weight
        for phrase, task, weight in phrases:
            flat = flat or f" {' '.join(words)} "
            if phrase in flat:
                evidence[task] = evidence.get(task, 0.0) + weight
    asks = "?" in text
    if not text.isascii() or _DIGIT.search(text) or not known.isdisjoint(NUMERALS):
        _add_sums(evidence, known, words, asks)
    _add_opening(evidence, words, asks)
    if not text.isascii() and max(text[:UNSPACED_SAMPLE] + text[-UNSPACED_SAMPLE:]) >= _FIRST_UNSPACED:
        _add_unspaced(evidence, text[:UNSPACED_CHARS] + text[-UNSPACED_CHARS:])
    return evidence


def _add_unspaced(evidence: Evidence, text: str) -> None:
    """Chinese, Japanese and similar: known parts of words, and the Latin words in between."""
    for piece in set(PIECE.findall(text)):
        task, weight = PIECES[piece]
        evidence[task] = evidence.get(task, 0.0) + weight
    for word in KNOWN_WORDS.intersection(_LATIN.findall(text.lower())):
        if word in WORDS:
            task, weight = WORDS[word]
            evidence[task] = evidence.get(task, 0.0) + weight


def _add_sums(evidence: Evidence, known: frozenset[str], words: list[str], asks: bool) -> None:
    """A word problem has numbers, words of quantity, and a question."""
    numbers = len(known & NUMERALS) + len([word for word in words if word.isdigit() and not _is_year(word)])
    quantities = len(known & QUANTITIES)
    if numbers >= 4 or (numbers >= 2 and quantities):
        weight = min(numbers, 4) * 0.75 + min(quantities, 3) * 1.0
        evidence["math"] = evidence.get("math", 0.0) + (weight if asks else 0.5 * weight)


def _is_year(number: str) -> bool:
    return len(number) == len(_FIRST_YEAR) and _FIRST_YEAR <= number <= _LAST_YEAR


def _add_opening(evidence: Evidence, words: list[str], asks: bool) -> None:
    """A question begins with a question word, perhaps after a greeting; without a question mark, at once."""
    if not OPENERS.isdisjoint(words[: OPENING_WORDS if asks else 1]):
        evidence["question_answering"] = evidence.get("question_answering", 0.0) + OPENER_WEIGHT
    task, weight = WORDS.get(words[0], ("", 0.0)) if words else ("", 0.0)
    if weight > COMMON_WEIGHT:
        evidence[task] += OPENING_BONUS
