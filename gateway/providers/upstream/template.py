"""Template of a stream's chunks: what they have in common byte by byte, around the text that each of them brings.

A chunk like those before costs a few comparisons and the decoding of its text, in place of two decoders and an encoder.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

_CONTENT = b'"content"'
_AROUND = re.compile(rb'(.*?"content":\s*)"(?:[^"\\]|\\.)*+"(.*)', re.DOTALL)
_PADDED = re.compile(rb'(.*,\s*"(?:obfuscation|p)":\s*")[A-Za-z0-9]*("\}\s*)', re.DOTALL)
"""What follows the content, if random letters stand at its end: they hide the text's length from who sees packets."""
_STRING = msgspec.json.Decoder(str)


@dataclass(slots=True)
class Run:
    """Chunks in a row that differ from their template in their content alone, and in its random letters.

    `said` are the contents as JSON, `texts` what they say, `letters` empty for a template without random letters.
    """

    template: "Template"
    said: list[bytes]
    texts: list[str]
    letters: list[bytes]
    text_bytes: int


Relay: TypeAlias = Callable[[Run], bool]
"""Passes a run on to the client; False: it is to come with the stream's chunks."""


class Template:
    """The bytes of a chunk around its content, and `fields`, its top-level ones.

    `matched`: how many chunks have been like it, itself included.
    """

    __slots__ = ("_before", "_end", "_first", "_last", "_middle", "fields", "matched")

    def __init__(self, fields: Mapping[str, msgspec.Raw], event: bytes) -> None:
        self.fields = fields
        self.matched = 0
        self._before, rest = _around(event)
        padded = _PADDED.fullmatch(rest)
        self._middle, self._end = (rest, b"") if padded is None else padded.groups()
        is_plain = not self._end and b"\n" not in event
        self._first, self._last = b"data: " + self._before if is_plain else None, self._middle + b"\n\n"

    @classmethod
    def of(cls, event: bytes, fields: Mapping[str, msgspec.Raw]) -> "Template | None":
        """The template of a chunk whose only text is a content; None if its bytes don't tell where that stands."""
        if bytes(fields["choices"]).count(_CONTENT) != 1:
            return None
        try:
            return cls(dict(fields), event)
        except ValueError:
            return None

    def only(self, body: bytes) -> Run | None:
        """The event that these bytes are, as it is sent; None if it is not like this one, of one line, without letters.

        What lies between is a JSON string, which has no line break: so there is no end of another event in it.
        """
        first, last = self._first, self._last
        if first is None or not (body.startswith(first) and body.endswith(last)):
            return None
        said = body[len(first) : -len(last)]
        try:
            text = _STRING.decode(said)
        except ValueError:
            return None
        if not text or said[:1] != b'"' or said[-1:] != b'"':  # a space may be a line break
            return None
        self.matched += 1
        return Run(self, [said], [text], [], len(text) if text.isascii() else len(text.encode()))

    def run(self, events: Sequence[bytes], start: int = 0) -> Run | None:
        """The events from `start` on that are like this one, up to the first that is not; None if that is at once."""
        before, middle, end = self._before, self._middle, self._end
        last, begin, size = end or middle, len(before), 0
        said: list[bytes] = []
        texts: list[str] = []
        letters: list[bytes] = []
        for number in range(start, len(events)):
            event = events[number]
            if not (event.startswith(before) and event.endswith(last)):
                break
            stop = event.rfind(middle, begin)
            padding = event[stop + len(middle) : -len(end)] if end else b""
            if end and not padding.isalnum():
                break
            try:
                text = _STRING.decode(event[begin : max(stop, 0)])
            except ValueError:  # no JSON, or no UTF-8
                break
            if not text:
                break
            if end:
                letters.append(padding)
            said.append(event[begin:stop])
            texts.append(text)
            size += len(text) if text.isascii() else len(text.encode())
        self.matched += len(said)
        return Run(self, said, texts, letters, size) if said else None

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
