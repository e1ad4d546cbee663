"""Checks how deep JSON is nested: a large body before it is parsed, in slices, so that no other thread waits for it.

A small one is parsed first, and its values are checked then, by `is_deeper`.
"""

import codecs
import time
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from gateway.errors import InvalidJson

SLICE_BYTES = 256 * 1024
"""A body up to this size is parsed at once; a larger one is checked first, in slices of this size."""
NESTING_LIMIT = 128
TOO_DEEP = f"the body is nested deeper than {NESTING_LIMIT} levels"
MOST_VALUES = 100_000
"""Values in arrays and objects: a chat of 10,000 turns, or a megabyte of tool schemas, has fewer."""

_COUNTED_BYTES = 4_000
"""From here on numpy counts brackets faster than `bytes.count`."""
_PAUSE_SECONDS = 0.0001
"""After each slice: whoever waits for the interpreter's lock gets it then, and not only after its switch interval."""

_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"[]{},')
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_NOT_NESTING = _NOT_STRUCTURE + b","
_STEP_OF = _STEPS.tobytes()
_VALUES = np.zeros(256, np.bool_)
_VALUES[list(b"[{,")] = True


def check_structure(body: bytes) -> None:
    """Check encoding, nesting and the number of values. Raises InvalidJson, UnicodeDecodeError.

    Parsing holds the interpreter's lock from begin to end: 0.2 s for a million keys, 2 s for six million empty objects.
    The lock is released after each slice here, and what passes is parsed in 10 ms per 5 MB.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes = depth = values = 0
    for part in _slices(body):
        _check_utf8(decoder, part, body)
        each = np.frombuffer(without_escapes(part).translate(None, _NOT_STRUCTURE), np.uint8)
        if not each.size:
            continue
        # Escaped quotes are gone, so an odd number of quotes before a bracket means that it is inside of a string.
        before = np.cumsum(each == ord('"'), dtype=np.int32) + quotes
        outside = np.logical_not(np.bitwise_and(before, 1))
        depths = np.cumsum(_STEPS[each] * outside, dtype=np.int32) + depth
        if depths.max() > NESTING_LIMIT:
            raise InvalidJson(TOO_DEEP)
        values += int(np.count_nonzero(_VALUES[each] & outside))
        if values > MOST_VALUES:
            raise InvalidJson(f"the body has more than {MOST_VALUES:,} values; put data into strings or files")
        quotes, depth = int(before[-1]) & 1, int(depths[-1])
        time.sleep(_PAUSE_SECONDS)
    _check_utf8(decoder, b"", body, final=True)


def is_deeper(values: Iterable[msgspec.Raw], levels: int) -> bool:
    """Whether arrays and objects of a value are nested deeper than this; most values are too short, or texts."""
    long = [bytes(value) for value in values if len(value) > 2 * levels]
    suspects = [json for json in long if not json.startswith(b'"') and openings(json) > levels]
    return bool(suspects) and depth_of(b",".join(suspects)) > levels


def openings(json: bytes) -> int:
    """How many arrays and objects begin, at most: brackets in strings count too."""
    if len(json) < _COUNTED_BYTES:
        return json.count(b"[") + json.count(b"{")
    return int(np.count_nonzero((np.frombuffer(json, np.uint8) | 0x20) == ord("{")))  # "[" has but that bit less


def depth_of(json: bytes) -> int:
    """How deep arrays and objects are nested. Linear, and without a loop in Python.

    Only brackets are kept, as the steps they are, and quotes, which are none. Escaped quotes are gone before, so an odd
    number of quotes before a bracket means that it is inside of a string.
    """
    steps = np.frombuffer(without_escapes(json).translate(_STEP_OF, _NOT_NESTING), np.int8)
    outside = ~np.bitwise_xor.accumulate(steps == 0)
    return int(np.cumsum(steps * outside, dtype=np.int32).max(initial=0))


def without_escapes(json: bytes) -> bytes | bytearray:
    """JSON with a space for each character that is escaped, such as a quote inside of a string."""
    if b"\\" not in json:
        return json
    blanked = bytearray(json)
    each = np.frombuffer(blanked, np.uint8)
    backslashes = np.flatnonzero(each == ord("\\"))
    last = np.flatnonzero(np.diff(backslashes, append=len(json) + 1) != 1)  # of those that stand next to each other
    odd = np.diff(last, prepend=-1) % 2 == 1  # the others escape each other
    escaped = backslashes[last[odd]] + 1
    each[escaped[escaped < len(json)]] = ord(" ")
    return blanked


def _slices(body: bytes) -> Iterator[bytes]:
    """Slices of the body that end outside of escapes."""
    start = 0
    while start < len(body):
        part = body[start : start + SLICE_BYTES]
        if (len(part) - len(part.rstrip(b"\\"))) % 2:
            part = body[start : start + SLICE_BYTES + 1]
        yield part
        start += len(part)


def _check_utf8(decoder: codecs.IncrementalDecoder, part: bytes, body: bytes, *, final: bool = False) -> None:
    if part.isascii() and not final and not decoder.getstate()[0]:
        return
    try:
        decoder.decode(part, final)
    except UnicodeDecodeError:
        body.decode()  # raises the same with the position in the whole body
