"""Finds the request's field that a refusal means: by `param` or `loc`, or in the message."""

import re
from collections.abc import Collection, Iterator

from gateway.providers.upstream.error_bodies import Refusal

NEVER_HELD = frozenset({"messages", "model", "stream"})
"""Fields that every request has: their values are not remembered."""
OPTIONAL = frozenset({"metadata", "user", "store", "prompt_cache_key", "safety_identifier", "stream_options"})
"""Fields without effect on the answer, and the one that the gateway adds: dropped if they are refused."""

_NAME = r"([A-Za-z_][\w.\[\]]*)"
_UNKNOWN = (
    re.compile(
        r"(?i)\b(?:unsupported|unrecognized|unknown) (?:request )?(?:parameter|argument|field|key|name)(?: supplied)?:?"
        rf" ?['\"`]?{_NAME}(?!['\"`]? at )"
    ),
    re.compile(rf"(?i)^['\"`]?{_NAME}['\"`]?: extra inputs are not permitted"),
    re.compile(rf"(?i)^property ['\"`]{_NAME}['\"`] is (?:unsupported|not supported)"),
    re.compile(rf"(?i)^argument not supported on this model: {_NAME}"),
    re.compile(rf"(?i)\b(?:does not|doesn't) support (?:the )?(?:parameter|argument|field) ['\"`]?{_NAME}"),
    re.compile(rf"(?i)^['\"`]?{_NAME}['\"`]? is (?:not supported|unsupported|deprecated) (?:with|by|for) this model"),
    re.compile(rf"(?i)'extra_forbidden', 'loc': \('body', '{_NAME}'\)"),
)
"""Wordings for an unknown field; the group is its name."""
_NO_TOOLS = re.compile(
    r"(?i)\b(?:does not|doesn't|that) support (?:tools?|functions?)(?: (?:use|calls?|calling))?\b"
    r"|\b(?:does not|doesn't) support (?:tool|function)[ _]?call|tool choice requires --|tools param requires --"
)
_MEANT = (
    re.compile(rf"(?i)\b(?:unsupported|invalid) value: ['\"`]?{_NAME}"),
    re.compile(rf"(?i)^invalid ['\"`]?{_NAME}"),
    re.compile(rf"(?i)^['\"`]?{_NAME}['\"`]?(?::| is | \(|\.| must| '[^']*' is )"),
    re.compile(rf"(?i)^'{_NAME}"),
    re.compile(rf"(?i)^the ['\"`]{_NAME}['\"`]"),
    re.compile(rf"(?i)\bfewer {_NAME}"),
    re.compile(rf"(?i)^this {_NAME} type"),
    re.compile(r"(?i)\b(stream options) can only"),
)
"""Wordings for a refused value; the group is the field's name."""
_SYNONYMS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens", "tools": "functions"}


def unknown_field(refusal: Refusal, sent: Collection[str]) -> str | None:
    """The top-level field that the provider doesn't know or never takes; None if it says no such thing."""
    if _NO_TOOLS.search(refusal.message):
        return _among("tools", sent)
    if "extra_forbidden" in refusal.codes and refusal.field:
        return _among(refusal.field, sent)
    for name in _names(_UNKNOWN, refusal.message):
        if found := _among(name, sent):
            return found
    return None


def meant_field(refusal: Refusal, sent: Collection[str]) -> str | None:
    """The top-level field whose value, or a part of it, is refused; None if the refusal names none."""
    named = [refusal.field] if refusal.field else []
    for name in (*named, *_names(_MEANT, refusal.message), *_names(_UNKNOWN, refusal.message)):
        top = re.split(r"[.\[]", name, maxsplit=1)[0]
        if found := _among(top, sent):
            return found
    return None


def _names(patterns: Collection[re.Pattern[str]], message: str) -> Iterator[str]:
    for pattern in patterns:
        for match in pattern.finditer(message):
            yield match[1].rstrip(".")


def _among(name: str, sent: Collection[str]) -> str | None:
    """The field as it was sent; xAI writes `presencePenalty` for `presence_penalty`."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace(" ", "_")
    spellings = (name, snake, _SYNONYMS.get(snake, ""))
    return next((each for each in spellings if each in sent and each not in NEVER_HELD), None)
