"""Graders: rules that give an answer a score in [0, 1], each read and checked before anything is paid.

An answer that calls tools is graded as the JSON `[{"name": …, "arguments": {…}}, …]`. Every grader is bounded in time,
whatever the answer is: patterns run in RE2, schemas by a number of steps, and only the beginning of a text is read.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from gateway.settings.table_reader import Fields, shown

TEXT_LIMIT = 20_000
"""Characters of an answer that are graded."""
LONGEST_PATTERN = 1_000
PATTERN_BYTES = 128 * 1024
"""Memory of a compiled pattern: bounds its steps per character."""
LONGEST_RUBRIC = 8_000
LARGEST_SCHEMA = 32 * 1024
MOST_EXPECTED = 100

_NUMBER = re.compile(r"(?:(?<!\w)[-+−])?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_FENCE = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_WRAPPING = " \t\r\n\"'`*_.!“”„‘’«»"


class Grader(Protocol):
    """A rule that scores a text without asking anybody."""

    def grade(self, text: str) -> float | None:
        """The score in [0, 1]; None if the text can't be graded."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """Not a rule: a judge scores the answer by this rubric."""

    rubric: str


AnyGrader: TypeAlias = Grader | Judged


@dataclass(frozen=True, slots=True)
class _Exact:
    """The answer is one of these, but for case, spaces, quotation and emphasis around it, and its full stop."""

    expected: frozenset[str]
    strict: bool

    def grade(self, text: str) -> float:
        return float((text.strip() if self.strict else plain(text)) in self.expected)


@dataclass(frozen=True, slots=True)
class _Contains:
    """The answer contains all of these (or any), and none of the others; case doesn't matter."""

    expected: Sequence[str]
    absent: Sequence[str]
    any_of_them: bool
    most_words: int | None

    def grade(self, text: str) -> float:
        found = " ".join(text.split()).casefold()
        if self.most_words is not None and len(found.split()) > self.most_words:
            return 0.0
        if any(each in found for each in self.absent):
            return 0.0
        return float((any if self.any_of_them else all)(each in found for each in self.expected))


@dataclass(frozen=True, slots=True)
class _Regex:
    """The pattern matches somewhere in the answer."""

    search: Callable[[str], object]

    def grade(self, text: str) -> float:
        return float(self.search(text) is not None)


@dataclass(frozen=True, slots=True)
class _Number:
    """The last number of the answer is this one, within the tolerance."""

    expected: float
    tolerance: float

    def grade(self, text: str) -> float:
        found = _NUMBER.findall(text)
        if not found:
            return 0.0
        value = float(found[-1].replace(",", "").replace("−", "-"))
        return float(abs(value - self.expected) <= self.tolerance + 1e-9 * abs(self.expected))


@dataclass(frozen=True, slots=True)
class _Schema:
    """The answer is JSON that matches a schema; a code fence around it is taken off."""

    response_format: bytes

    def grade(self, text: str) -> float | None:
        from gateway.completions.json_schema import is_valid  # noqa: PLC0415 - jsonschema is slow to import

        valid = is_valid(self.response_format, unfenced(text))
        return None if valid is None else float(valid)


def plain(text: str) -> str:
    """A text without case, and without what stands around it: spaces, quotation marks, emphasis, a full stop."""
    return " ".join(text.strip(_WRAPPING).split()).casefold()


def unfenced(text: str) -> str:
    """The content of a text that is one fenced block as a whole; else the text."""
    fenced = _FENCE.fullmatch(text)
    return fenced[1] if fenced else text


def read_grader(fields: Fields) -> AnyGrader | None:
    """Read one grader; None after its mistakes were recorded."""
    before = len(fields.problems)
    kind = fields.choice("type", "", _READERS)
    if not kind:
        if fields.raw("type") is None:
            fields.blame("type", f"is required: {', '.join(_READERS)}")
        return None
    grader = _READERS[kind](fields)
    fields.close()
    return grader if len(fields.problems) == before else None


def _read_exact(fields: Fields) -> AnyGrader:
    strict = fields.flag("strict", False)
    expected = _texts(fields, "expected")
    return _Exact(frozenset(each.strip() if strict else plain(each) for each in expected), strict)


def _read_contains(fields: Fields) -> AnyGrader:
    return _Contains(
        expected=_folded(_texts(fields, "expected")),
        absent=_folded(_texts(fields, "absent", required=False)),
        any_of_them=fields.flag("any", False),
        most_words=fields.integer("most_words", None, low=1),
    )


def _read_regex(fields: Fields) -> AnyGrader | None:
    pattern = fields.text("pattern", "")
    if not pattern:
        if fields.raw("pattern") is None:
            fields.blame("pattern", "is required")
        return None
    if len(pattern) > LONGEST_PATTERN:
        fields.blame("pattern", f"has {len(pattern):,} characters; at most {LONGEST_PATTERN:,} are taken")
        return None
    try:
        import re2  # noqa: PLC0415 - an extra
    except ImportError:
        fields.blame("type", "is regex, which needs RE2: pip install 'bandit-gateway[evals]'")
        return None
    options = re2.Options()
    options.max_mem = PATTERN_BYTES
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        fields.blame("pattern", f"is none that RE2 takes ({_message(error)}); it knows no lookaround and no references")
        return None
    return _Regex(compiled.search)


def _read_number(fields: Fields) -> AnyGrader | None:
    expected = fields.number("expected", None, low=-math.inf)
    if fields.raw("expected") is None:
        fields.blame("expected", "is required")
    tolerance = fields.number("tolerance", 0.0)
    return None if expected is None else _Number(expected, tolerance)


def _read_schema(fields: Fields) -> AnyGrader | None:
    schema = fields.raw("schema")
    if not isinstance(schema, Mapping):
        fields.blame("schema", "is required" if schema is None else f"must be an object, not {shown(schema)}")
        return None
    from gateway.completions.json_schema import why_not_checked  # noqa: PLC0415 - jsonschema is slow to import

    encoded = msgspec.json.encode({"type": "json_schema", "json_schema": {"schema": schema}})
    if len(encoded) > LARGEST_SCHEMA:
        fields.blame("schema", f"has {len(encoded):,} bytes; at most {LARGEST_SCHEMA:,} are taken")
    elif why := why_not_checked(dict(schema)):
        fields.blame("schema", why)
    return _Schema(encoded)


def _read_judge(fields: Fields) -> AnyGrader:
    rubric = fields.text("rubric", "")
    if fields.raw("rubric") is None:
        fields.blame("rubric", "is required: what a good answer is, in words")
    if len(rubric) > LONGEST_RUBRIC:
        fields.blame("rubric", f"has {len(rubric):,} characters; at most {LONGEST_RUBRIC:,} are taken")
    return Judged(rubric)


_READERS: Mapping[str, Callable[[Fields], AnyGrader | None]] = {
    "exact": _read_exact,
    "contains": _read_contains,
    "regex": _read_regex,
    "number": _read_number,
    "json_schema": _read_schema,
    "judge": _read_judge,
}


def _texts(fields: Fields, key: str, *, required: bool = True) -> tuple[str, ...]:
    """A string or a list of strings."""
    value = fields.raw(key)
    if value is None:
        if required:
            fields.blame(key, "is required: a string, or a list of strings")
        return ()
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(each, str) and each.strip() for each in listed):
        fields.blame(key, f"must be a string or a list of strings, none of them empty, not {shown(value)}")
        return ()
    if len(listed) > MOST_EXPECTED:
        fields.blame(key, f"has {len(listed)} strings; at most {MOST_EXPECTED} are taken")
    return tuple(listed)


def _folded(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(" ".join(each.split()).casefold() for each in texts)


def _message(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def gradable(text: str | None, calls: Sequence[tuple[str, str]]) -> str:
    """What of an answer is graded: its tool calls as JSON, if it has some, else its text."""
    if not calls:
        return (text or "")[:TEXT_LIMIT]
    listed = [{"name": name, "arguments": _decoded(arguments)} for name, arguments in calls]
    return json.dumps(listed, ensure_ascii=False)[:TEXT_LIMIT]


def _decoded(arguments: str) -> object:
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return arguments
