"""Repairs of JSON change only what is broken."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.upstream.json_repair import decode, repaired

ANY = msgspec.json.Decoder(object)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e90, 1e90) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES, st.booleans())
def test_proper_json_stays_as_it_is(value: Any, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert repaired(data) == data


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'{"a": NaN, "b": -Infinity, "c": "NaN"}', {"a": None, "b": None, "c": "NaN"}),
        (rb'[1e999, -1E+400, "1e999", 15e-3]', [None, None, "1e999", 0.015]),
        (b"[" + b"9" * 6_000 + b"]", [None]),
        (rb'["a\ud83d", "\ude00b", "\ud83d\ude00", "\\ud83d"]', ["a\ufffd", "\ufffdb", "\U0001f600", r"\ud83d"]),
    ],
)
def test_what_is_broken_is_replaced(data: bytes, value: Any) -> None:
    assert decode(ANY, data) == value
