"""Repairs JSON of providers that is nearly right, so that an answer is not lost to a detail of it."""

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

_BROKEN = re.compile(
    rb'("(?:[^"\\]|\\.)*+")'
    rb"|-?\b(?:NaN|Infinity)\b|-?\b\d++(?:\.\d++)?[eE]\+?\d{3,}|-?\b\d{300,}",
    re.DOTALL,
)
_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|(\\.)", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"


def decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """The value of JSON, repaired if needed. Raises msgspec.DecodeError or RecursionError."""
    try:
        return decoder.decode(data)
    except msgspec.DecodeError:
        return decoder.decode(repaired(data))


def repaired(data: bytes) -> bytes:
    """The same JSON with null for NaN, Infinity and numbers that no float holds, and U+FFFD for half a surrogate pair.

    Some Python servers write the former, and servers that cut a text between UTF-16 code units the latter.
    """
    return _BROKEN.sub(lambda match: _repaired_text(match[1]) if match[1] else b"null", data)


def _repaired_text(text: bytes) -> bytes:
    if b"\\u" not in text:
        return text
    return _ESCAPE.sub(lambda match: match[1] or match[2] or _REPLACEMENT, text)
