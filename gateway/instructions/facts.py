"""Facts of a request beside its class, length and tools: what the rules of a router can test, too.

They are read from patterns, not word by word: `metadata.team is "search"`, `key "batch"`, `in German`, `with images`,
`between 22:00 and 6:00`, `call site "triage"`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "arabic": "ar",
        "bengali": "bn",
        "bulgarian": "bg",
        "chinese": "zh",
        "croatian": "hr",
        "czech": "cs",
        "danish": "da",
        "dutch": "nl",
        "english": "en",
        "finnish": "fi",
        "french": "fr",
        "german": "de",
        "greek": "el",
        "hebrew": "he",
        "hindi": "hi",
        "hungarian": "hu",
        "indonesian": "id",
        "italian": "it",
        "japanese": "ja",
        "korean": "ko",
        "norwegian": "no",
        "persian": "fa",
        "polish": "pl",
        "portuguese": "pt",
        "romanian": "ro",
        "russian": "ru",
        "slovak": "sk",
        "spanish": "es",
        "swedish": "sv",
        "thai": "th",
        "turkish": "tr",
        "ukrainian": "uk",
        "vietnamese": "vi",
    }
)
"""The languages that a request's text can be in, with their codes (ISO 639-1)."""


class About(Enum):
    """What a fact is about."""

    IMAGES = auto()
    LANGUAGE = auto()
    HOUR = auto()
    KEY = auto()
    NAME = auto()  # of the request's class: a stated task or a call site
    METADATA = auto()


class Fact(NamedTuple):
    """One thing that a request may have: `value` is what it is to be, `field` the key of metadata."""

    about: About
    value: str = ""
    field: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a request beside its class, length and tools; texts in lower case.

    `names` are those of its class. `metadata` has only what rules ask for. `language` is a code, empty if unknown.
    """

    images: bool = False
    language: str = ""
    hour: int = 0  # UTC
    key: str = ""
    names: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def has(self, fact: Fact) -> bool:
        """Whether a fact holds, but for its negation."""
        if fact.about is About.IMAGES:
            return self.images
        if fact.about is About.LANGUAGE:
            return self.language == fact.value
        if fact.about is About.HOUR:
            return self.hour == int(fact.value)
        if fact.about is About.KEY:
            return self.key == fact.value
        if fact.about is About.NAME:
            return fact.value in self.names
        return self.metadata.get(fact.field) == fact.value

    def agree(self, facts: Iterable[Fact]) -> bool:
        """Whether all hold: of those about the same thing one is enough, and no negated one may be true."""
        wanted: dict[tuple[About, str], bool] = {}
        for fact in facts:
            if not fact.negated:
                subject = fact.about, fact.field
                wanted[subject] = wanted.get(subject, False) or self.has(fact)
            elif self.has(fact):
                return False
        return all(wanted.values())


NOTHING_ELSE = Circumstances()


class Found(NamedTuple):
    """Facts in a text, and where they stand. `tools` False: the request is to offer none."""

    start: int
    end: int
    facts: frozenset[Fact] = frozenset()
    tools: bool | None = None


def find_facts(text: str) -> list[Found]:
    """The facts that a text names, in order."""
    everywhere = [
        Found(match.start(), match.end(), *meaning)
        for pattern, read in _PATTERNS
        for match in pattern.finditer(text)
        if (meaning := read(match)) is not None
    ]
    kept: list[Found] = []
    for found in sorted(everywhere, key=lambda each: (each.start, -each.end)):
        if not kept or found.start >= kept[-1].end:
            kept.append(found)
    return kept


_Read = tuple[frozenset[Fact], bool | None]

_QUOTED = r'"[^"\n]{1,200}"'
_QUOTED_LIST = rf"{_QUOTED}(?:\s*(?:,|or|,\s*or)\s*{_QUOTED})*"
_WORD = r"[\w./-]*\w"
_IS = r"(?P<is>\s+is\s+not\s+|\s+isn't\s+|\s*!=\s*|\s+is\s+|\s*={1,2}\s*|\s*:\s*|\s+)"
_HOUR = r"(?:[01]?\d|2[0-4])(?::00)?(?:\s?(?:am|pm))?(?![\d:.,]*\d)(?:\s+utc)?\b"
_IMAGES = r"(?:images?|pictures?|photos?|screenshots?)\b"
_TOOLS = r"tools?(?:\s+calls?)?\b"
_LANGUAGE = rf"(?:{'|'.join(LANGUAGES)})\b"
_VALUE = re.compile(rf"{_QUOTED}|{_WORD}")


def _values(match: re.Match[str], about: About, field: str = "") -> _Read:
    negated = any(sign in match["is"].lower() for sign in ("not", "n't", "!"))
    values = [value.strip('"').strip().lower() for value in _VALUE.findall(match["values"]) if value != "or"]
    return frozenset(Fact(about, value, field, negated) for value in values), None


def _metadata(match: re.Match[str]) -> _Read:
    return _values(match, About.METADATA, match["field"].strip('"'))


def _key(match: re.Match[str]) -> _Read:
    return _values(match, About.KEY)


def _name(match: re.Match[str]) -> _Read:
    return _values(match, About.NAME)


def _hours(match: re.Match[str]) -> _Read | None:
    """The hours from one to before another, over midnight if the second is smaller."""
    first, second = _hour(match["first"]), _hour(match["second"])
    if first is None or second is None or first % 24 == second % 24:
        return None
    return _between(first, second), None


def _open_hours(match: re.Match[str]) -> _Read | None:
    hour = _hour(match["hour"])
    if hour is None or hour % 24 == 0:
        return None
    return (_between(hour, 24) if match["side"].lower() == "after" else _between(0, hour)), None


def _between(first: int, second: int) -> frozenset[Fact]:
    return frozenset(
        Fact(About.HOUR, str(hour % 24)) for hour in range(first, second if second > first else second + 24)
    )


def _hour(text: str) -> int | None:
    found = re.match(r"(\d+)(?::00)?\s?(am|pm)?", text.lower())
    hour, half = int(found[1]) if found else 0, found[2] if found else None
    if half is None:
        return hour
    return hour % 12 + (12 if half == "pm" else 0) if 1 <= hour <= 12 else None


def _images(match: re.Match[str]) -> _Read:
    return frozenset({Fact(About.IMAGES)}), None


def _neither(match: re.Match[str]) -> _Read:
    """Without images, tools, or either."""
    things = match["things"].lower()
    images = {Fact(About.IMAGES, negated=True)} if re.search(_IMAGES, things) else set()
    return frozenset(images), False if "tool" in things else None


def _language(match: re.Match[str]) -> _Read | None:
    names = re.findall(r"\w+", match["languages"])
    codes = [LANGUAGES[name.lower()] for name in names if name.lower() in LANGUAGES]
    if "polish" in names:  # the verb
        return None
    return frozenset(Fact(About.LANGUAGE, code, negated=bool(match["none"])) for code in codes), None


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _Read | None]], ...] = (
    (
        _compiled(
            rf"\bmetadata\.(?P<field>[\w-]{{1,64}}|{_QUOTED}){_IS}(?P<values>{_QUOTED_LIST}|(?!(?:not|is|isn|and|or)\b){_WORD})"
        ),
        _metadata,
    ),
    (_compiled(rf"\b(?:api\s+)?key(?:\s+label)?{_IS}(?P<values>{_QUOTED_LIST})"), _key),
    (_compiled(rf"\b(?:call\s+site|site|task|class){_IS}(?P<values>{_QUOTED_LIST})"), _name),
    (
        _compiled(rf"\b(?:between|from|during)\s+(?P<first>{_HOUR})\s*(?:and|to|until|till|-|–)\s*(?P<second>{_HOUR})"),
        _hours,
    ),
    (_compiled(rf"\bafter\s+(?P<first>{_HOUR})(?:\s*,)?(?:\s+and)?\s+before\s+(?P<second>{_HOUR})"), _hours),
    (_compiled(rf"\bbefore\s+(?P<second>{_HOUR})(?:\s*,)?(?:\s+and)?\s+after\s+(?P<first>{_HOUR})"), _hours),
    (_compiled(rf"\b(?P<side>after|before)\s+(?P<hour>{_HOUR})"), _open_hours),
    (_compiled(rf"\b{_IMAGES}"), _images),
    (
        _compiled(
            rf"\b(?:without|no)\s+(?:any\s+)?(?P<things>(?:{_IMAGES}|{_TOOLS})"
            rf"(?:\s*(?:,|or|nor|and)\s*(?:any\s+|no\s+)?(?:{_IMAGES}|{_TOOLS}))*)"
        ),
        _neither,
    ),
    # "into German" is about the answer, which nobody has yet.
    (
        _compiled(
            r"(?<!\bto )(?<!\binto )(?<!\bfrom )(?<!-)\b(?P<none>(?:not|isn't|aren't)\s+)?(?:written\s+)?(?:in\s+)?"
            rf"(?P<languages>{_LANGUAGE}(?:\s*(?:,|or|nor|,\s*or)\s*(?:in\s+)?{_LANGUAGE})*)(?!-)"
        ),
        _language,
    ),
)
