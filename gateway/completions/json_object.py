"""Reads a body's top-level fields: a JSON object that every parser reads alike, in UTF-8 and not nested too deeply."""

import re
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from gateway.completions.duplicates import refuse_duplicates
from gateway.completions.plain import PLAIN_FIELDS, UNREADABLE
from gateway.completions.structure import (
    NESTING_LIMIT,
    SLICE_BYTES,
    TOO_DEEP,
    check_structure,
    depth_of,
    is_deeper,
    openings,
)
from gateway.errors import InvalidJson

MOST_FIELDS = 1_000
"""Top-level fields of a body: OpenAI's API has about 40."""
LONGEST_KEY = 1_000

Fields: TypeAlias = dict[str, msgspec.Raw]
Parts: TypeAlias = tuple[int, list[msgspec.Raw]]
"""The number of objects in a body's arrays, and the known values of these objects and of the body."""
PartsOf: TypeAlias = Callable[[Fields], Parts | None]

decode_fields = msgspec.json.Decoder(Fields).decode
"""The fields, for `check_fields`. Raises one of UNREADABLE, for `why_unreadable`."""

_IN_AN_OBJECT = NESTING_LIMIT - 3
"""Levels that are left to the values of an object in an array of the body."""
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def parse_json_object(body: bytes) -> Fields:
    """The top-level fields of a JSON object that every parser reads alike. Raises InvalidJson."""
    fields = read_fields(body)
    check_fields(body, fields)
    return fields


def read_fields(body: bytes) -> Fields:
    """A body's top-level fields, for `check_fields`; a large body is checked before. Raises InvalidJson."""
    try:
        if len(body) > SLICE_BYTES:
            check_structure(body)
        return decode_fields(body)
    except UNREADABLE as error:
        raise why_unreadable(body, error) from None


def check_fields(body: bytes, fields: Fields, parts_of: PartsOf | None = None) -> None:
    """Check a body that was decoded to these fields: its encoding, nesting and names. Raises InvalidJson.

    `parts_of` finds the values with most of its brackets, so that not all of them need be looked at.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise why_unreadable(body, error) from None
    if len(body) <= SLICE_BYTES and _is_too_deep(body, fields, parts_of):
        raise InvalidJson(TOO_DEEP)
    try:
        _check_names(body, fields)
    except InvalidJson:
        _refuse_depth(body)  # of a value whose key stands again behind it
        raise


def why_unreadable(body: bytes, error: Exception) -> InvalidJson:
    """What is wrong with a body that could not be decoded: its encoding, else its nesting, else its syntax."""
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        return InvalidJson(f"the body is not valid UTF-8 (byte {wrong.start})")
    _refuse_depth(body)
    if isinstance(error, RecursionError):
        raise error  # not for its own depth
    if isinstance(error, msgspec.ValidationError):
        return InvalidJson("the body must be a JSON object")
    return InvalidJson(_lone_surrogate(body) or f"the body is not valid JSON: {error}")


def _refuse_depth(body: bytes) -> None:
    """Refuse a small body that is nested too deeply, whether it is valid or not: a large one was checked before."""
    if len(body) <= SLICE_BYTES and depth_of(body) > NESTING_LIMIT:
        raise InvalidJson(TOO_DEEP)


def _is_too_deep(body: bytes, fields: Fields, parts_of: PartsOf | None) -> bool:
    """Whether valid JSON is nested too deeply, without a look at each of its brackets.

    An agent's are in what its messages say and in its tools. If few are elsewhere, each of these values is looked at by
    itself, and most of them are texts.
    """
    begun = openings(body)
    if begun <= NESTING_LIMIT:
        return False
    parts = None if parts_of is None else parts_of(fields)
    if parts is not None:
        objects, values = parts
        elsewhere = begun - objects - openings(b",".join(values))
        if elsewhere <= _IN_AN_OBJECT and not is_deeper(values, _IN_AN_OBJECT):
            return False
    return is_deeper(fields.values(), NESTING_LIMIT - 1)


def _check_names(body: bytes, fields: Fields) -> None:
    if not PLAIN_FIELDS.issuperset(fields):
        if len(fields) > MOST_FIELDS:
            raise InvalidJson(f"the body has {len(fields):,} top-level fields; at most {MOST_FIELDS:,} are read")
        if max(map(len, fields)) > LONGEST_KEY:
            raise InvalidJson(f"the name of a top-level field is longer than {LONGEST_KEY:,} characters")
    refuse_duplicates(body, fields)


def _lone_surrogate(body: bytes) -> str | None:
    """The message for half of a UTF-16 pair, as of an emoji cut in two; msgspec only says "truncated input"."""
    half: re.Match[bytes] | None = None  # a high surrogate that may be followed by its low one
    for escape in _ESCAPE.finditer(body):
        code = int(escape[1], 16) if escape[1] else 0
        low = 0xDC00 <= code < 0xE000
        if half is not None and low and escape.start() == half.end():
            half = None
        elif half is not None:
            break
        elif low or 0xD800 <= code < 0xDC00:
            half = escape
            if low:
                break
    if half is None:
        return None
    return (
        f"the body has a lone surrogate, {half[0].decode()} at byte {half.start()}: half of a character, such as an "
        "emoji that was cut in two; send whole characters"
    )
