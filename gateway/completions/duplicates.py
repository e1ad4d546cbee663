"""Refuses JSON objects with duplicate keys, because parsers differ on which of them counts."""

import re
from collections.abc import Mapping

import msgspec

from gateway.errors import InvalidJson

_KEY = re.compile(rb'[ \t\n\r]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_NEXT = re.compile(rb"[ \t\n\r]*([,}])")
_STRING = msgspec.json.Decoder(str)


def refuse_duplicates(body: bytes, fields: Mapping[str, msgspec.Raw]) -> None:
    """Refuse duplicate top-level keys of a body that was decoded to these fields. Raises InvalidJson."""
    if len(body) == 1 + sum(map(len, fields)) + sum(map(len, fields.values())) + 4 * len(fields):
        return  # the usual case: without spaces, and the lengths add up, so there is no room for a duplicate
    # Walk over the keys, and skip each value by the length of its own bytes.
    position = body.index(b"{") + 1
    seen: set[bytes] = set()
    for _ in range(len(fields)):
        match = _KEY.match(body, position)
        if match is None:
            break
        key = match[1]
        raw = fields.get(key.decode() if b"\\" not in key else _STRING.decode(b'"' + key + b'"'))
        if key in seen or raw is None or not body.startswith(bytes(raw), match.end()):
            raise InvalidJson(f"the key {key.decode()!r} stands twice in the body")
        seen.add(key)
        follower = _NEXT.match(body, match.end() + len(memoryview(raw)))
        if follower is None:
            raise InvalidJson(f"the key {key.decode()!r} stands twice in the body")
        position = follower.end()
        if follower[1] == b"}":
            return
    if fields:
        raise InvalidJson("a key stands twice in the body")
