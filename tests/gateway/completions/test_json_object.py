"""How deep a body is nested is found out value by value, as if bracket by bracket, and told before all else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.json_object import parse_json_object
from gateway.completions.request import parse_completion
from gateway.errors import GatewayError, InvalidJson

TEXT = 'def f(a): return {"a": [a[0], {}]}\n' * 50
AGENT = (
    b'{"model":"dari/routing","messages":[{"role":"user","content":%b%b},{"role":"assistant","content":null,'
    b'"tool_calls":%b}],"tools":[{"type":"function","function":{"name":"f","parameters":%b}}%b]%b}'
)
PLACES = {
    "a field beside a text": (1, b',"x":%b', 3),
    "parts": (0, b"[%b]", 4),
    "calls": (2, b"%b", 3),
    "calls before others of that name": (2, b'%b,"tool_calls":[]', 3),
    "a schema": (3, b"%b", 4),
    "a tool's other field": (4, b',{"x":%b}', 3),
    "a field of the body": (5, b',"x":%b', 1),
    "a field whose name stands twice": (5, b',"x":%b,"x":1', 1),
    "messages that stand twice": (5, b',"messages":%b', 1),
}
"""Which part of AGENT a value is put into, with what around it, and the levels that it is below there."""


def agent(place: str, value: bytes, more_tools: int = 0) -> bytes:
    parts = [json.dumps(TEXT).encode(), b"", b"[]", b"{}", b"", b""]
    number, around, _ = PLACES[place]
    parts[number] = around % value
    parts[4] += b",{}" * more_tools
    return AGENT % tuple(parts)


def said(body: bytes) -> str:
    try:
        parse_completion(body)
    except GatewayError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("opening", "inner", "closing", "levels"),
    [(b"[", b"", b"]", 1), (b'{"[":', b"1", b"}", 1), (b'{"\\"{\\\\":[', b"", b"]}", 2)],
)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("more_tools", [0, 2_000])
def test_nesting_is_counted_in_each_part_of_an_agents_request(
    place: str, opening: bytes, inner: bytes, closing: bytes, levels: int, more_tools: int
) -> None:
    most = (128 - PLACES[place][2]) // levels
    for times, refused in ((most, False), (most + 1, True), (most + 900, True)):
        body = agent(place, opening * times + inner + closing * times, more_tools)
        assert ("nested deeper than 128 levels" in said(body)) is refused


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"other","a":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"model":"other","a":' + b"[" * 200 + b"]" * 200 + b"} and more",
        b'{"a":' + b"[" * 200 + b"]" * 200 + b"".join(b',"k%d":1' % number for number in range(1_001)) + b"}",
        b"[" * 129 + b"]" * 129,
    ],
)
def test_nesting_is_told_before_all_that_is_wrong_besides(body: bytes) -> None:
    for parse in (parse_json_object, parse_completion):
        with pytest.raises(InvalidJson, match="nested deeper than 128 levels"):
            parse(body)
        with pytest.raises(InvalidJson, match="not valid UTF-8"):
            parse(body[:1] + b"\xff" + body[1:])


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


NESTED = st.recursive(
    st.none() | st.sampled_from(["[{" * 70, '"', "\\", '\\"[', "}]", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "[", '\\"{']), inner, max_size=3),
    max_leaves=20,
)


@given(st.sampled_from(sorted(PLACES)), NESTED, st.integers(100, 130), st.booleans())
def test_only_agents_requests_that_are_nested_too_deep_are_refused(
    place: str, value: Any, around: int, spaces: bool
) -> None:
    written = json.dumps(value, indent=1 if spaces else None).encode()
    body = agent(place, b"[" * around + written + b"]" * around)
    assert ("nested deeper" in said(body)) is (PLACES[place][2] + around + depth(value) > 128)
