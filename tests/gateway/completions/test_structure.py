"""Large bodies are checked in slices, with the same verdict as in one piece, whatever a slice's end cuts through."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions import structure
from gateway.completions.json_object import LONGEST_KEY, parse_json_object
from gateway.completions.request import parse_completion
from gateway.completions.structure import MOST_VALUES, NESTING_LIMIT, SLICE_BYTES, check_structure, without_escapes
from gateway.errors import InvalidJson

PADDING = "x" * SLICE_BYTES
values = st.recursive(
    st.none() | st.integers(-9, 9) | st.text('a"\\[]{},ä€😀', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('k"\\[{', max_size=4), inner, max_size=4),
    max_leaves=12,
)


def count(value: Any) -> int:
    """Brackets that open, and commas, outside of strings."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(len(value) - 1, 0) + sum(map(count, inner))
    return 0


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def refused(body: bytes) -> str:
    try:
        check_structure(body)
    except InvalidJson as error:
        return str(error)
    return ""


@given(values, st.integers(2, 9), st.booleans())
def test_depth_and_values_are_counted_alike_however_the_body_is_cut(value: Any, size: int, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "SLICE_BYTES", size)
        for limit, allowed in (("NESTING_LIMIT", depth(value)), ("MOST_VALUES", count(value))):
            patch.setattr(structure, limit, allowed)
            assert refused(body) == ""
            patch.setattr(structure, limit, allowed - 1)
            assert allowed == 0 or refused(body)
            patch.setattr(structure, limit, 10_000)


@given(st.text('"\\[a', max_size=12))
def test_what_is_escaped_is_blanked_and_nothing_else(text: str) -> None:
    expected = re.sub(r"\\(.)", lambda escape: escape[0] if escape[1] == "\\" else "\\ ", text)
    assert without_escapes(text.encode()).decode() == expected


@given(st.binary(max_size=40), st.integers(2, 9))
def test_what_is_no_utf_8_is_found_at_its_place_however_the_body_is_cut(body: bytes, size: int) -> None:
    try:
        body.decode()
        place = None
    except UnicodeDecodeError as error:
        place = error.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "SLICE_BYTES", size)
        if place is None:
            check_structure(body)
        else:
            with pytest.raises(UnicodeDecodeError) as caught:
                check_structure(body)
            assert caught.value.start == place


def test_a_large_body_is_read_value_for_value_as_a_small_one() -> None:
    fields = {"model": "dari/routing", "messages": [{"role": "user", "content": 'ä "[{\\' + PADDING}], "x": [1.0, {}]}
    read = parse_json_object(json.dumps(fields).encode())
    assert {key: json.loads(bytes(raw)) for key, raw in read.items()} == fields
    request = parse_completion(json.dumps(fields).encode())
    assert bytes(request.fields["x"]) == b"[1.0, {}]"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('"a":' + "[" * NESTING_LIMIT + "]" * NESTING_LIMIT, "nested deeper than 128"),
        ('"a":[' + "{}," * MOST_VALUES + "{}]", "more than 100,000 values"),
        (",".join(f'"{number}":1' for number in range(MOST_VALUES + 1)), "more than 100,000 values"),
        ('"' + "k" * (LONGEST_KEY + 1) + '":1', "longer than 1,000 characters"),
        ('"a":1,"a":2', "'a' stands twice"),
        ('"a":"\\ud83d"', "lone surrogate"),
        ('"a":"\udcff"', "not valid UTF-8 (byte 262163)"),
    ],
)
def test_a_large_body_is_refused_for_what_a_small_one_is_and_for_too_many_values(more: str, told: str) -> None:
    body = f'{{"padding":"{PADDING}",{more}}}'.encode(errors="surrogateescape")
    with pytest.raises(InvalidJson) as caught:
        parse_json_object(body)
    assert told in str(caught.value)


def test_a_limit_of_values_leaves_room_for_long_chats_and_many_tools() -> None:
    """Ten thousand turns of several parts, or 100 tools with 50 described parameters each."""
    turn = {"role": "user", "content": [{"type": "text", "text": "x"}]}
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {f"p{i}": {"type": "string"} for i in range(50)}},
    }
    check_structure(json.dumps({"messages": [turn] * 10_000, "tools": [tool] * 100}).encode())
