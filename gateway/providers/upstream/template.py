"""Template of a stream's chunks: what they have in common byte by byte, around the text that each of them brings.

A chunk like those before costs a few comparisons and the decoding of its text, in place of two decoders and an encoder.
"""

import re
from collections.abc import Mapping

import msgspec

_CONTENT = b'"content"'
_AROUND = re.compile(rb'(.*?"content":\s*)"(?:[^"\\]|\\.)*+"(.*)', re.DOTALL)
_PADDED = re.compile(rb'(.*,\s*"(?:obfuscation|p)":\s*")[A-Za-z0-9]*("\}\s*)', re.DOTALL)
"""What follows the content, if random letters stand at its end: they hide the text's length from who sees packets."""


class Template:
    """The bytes of a chunk around its content, and `fields`, its top-level ones."""

    __slots__ = ("_before", "_end", "_middle", "fields")

    def __init__(self, fields: Mapping[str, msgspec.Raw], event: bytes) -> None:
        self.fields = fields
        self._before, rest = _around(event)
        padded = _PADDED.fullmatch(rest)
        self._middle, self._end = (rest, b"") if padded is None else padded.groups()

    @classmethod
    def of(cls, event: bytes, fields: Mapping[str, msgspec.Raw]) -> "Template | None":
        """The template of a chunk whose only text is a content; None if its bytes don't tell where that stands."""
        if bytes(fields["choices"]).count(_CONTENT) != 1:
            return None
        try:
            return cls(dict(fields), event)
        except ValueError:
            return None

    def match(self, event: bytes) -> tuple[bytes, bytes] | None:
        """The content, as JSON if the event is valid, and the random letters of an event like the others; else None."""
        if not event.startswith(self._before):
            return None
        start, middle, end = len(self._before), self._middle, self._end
        if not end:
            return (event[start : -len(middle)], b"") if event.endswith(middle) else None
        stop = event.rfind(middle, start)
        padding = event[stop + len(middle) : -len(end)]
        return (event[start:stop], padding) if stop >= 0 and event.endswith(end) and padding.isalnum() else None

    def around(self, event: bytes) -> tuple[bytes, bytes, bytes]:
        """What stands in an event of the same fields before its content, after it, and after the random letters."""
        before, rest = _around(event)
        padded = _PADDED.fullmatch(rest) if self._end else None
        return (before, rest, b"") if padded is None else (before, padded[1], padded[2])


def _around(event: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the content in an event's JSON. Raises ValueError if it has none, or several."""
    found = _AROUND.fullmatch(event) if event.count(_CONTENT) == 1 else None
    if found is None:
        raise ValueError("the event has no content, or several")
    return found[1], found[2]
