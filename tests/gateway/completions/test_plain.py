"""A plain request is read in fewer steps, and as the long way would read it; what is not plain goes the long way."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.completions import request
from gateway.completions.request import CompletionRequest, parse_completion
from gateway.errors import GatewayError, InvalidJson

TEXTS = st.text(max_size=30) | st.sampled_from(["", "x" * 20_000, "You write short, friendly replies to customers."])
CONTENTS = TEXTS | st.none() | st.just([{"type": "text", "text": "a"}]) | st.just(7)
ROLES = st.sampled_from(["user", "system", "developer", "assistant", "tool", "function", "", "other"])
MESSAGES = st.fixed_dictionaries(
    {"role": ROLES, "content": CONTENTS},
    optional={"name": TEXTS, "tool_calls": st.sampled_from([None, [{"id": "a"}]]), "function_call": st.none()},
)
TOKENS = st.sampled_from([None, 1, 300, 0, -1, 2**63 - 1, 2**63, 2**70, 1.5, 2.0, "9"])
BODIES = st.fixed_dictionaries(
    {"model": st.just("dari/routing"), "messages": st.lists(MESSAGES, max_size=4)},
    optional={
        "stream": st.sampled_from([True, False, None, "yes"]),
        "stream_options": st.sampled_from([None, {}, {"include_usage": True}, {"include_usage": 1}, {"other": 1}]),
        "temperature": st.sampled_from([0.2, 1, None, "hot"]),
        "top_p": st.sampled_from([1.0, None, True]),
        "max_tokens": TOKENS,
        "max_completion_tokens": TOKENS,
        "stop": st.sampled_from(["a", ["a", "b"], None, [1]]),
        "seed": st.just(7),
    },
)
HEADERS = st.sampled_from([{}, {b"x-router-task": b"greetings"}, {b"x-router-max-usd": b"0.01"}, {b"accept": b"a"}])
PLAIN = {"model": "dari/routing", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}


def outcome(raw: bytes, headers: dict[bytes, bytes]) -> dict[str, Any] | tuple[Any, ...]:
    """What is read of a body, without whether it was plain; or what is said against it."""
    try:
        read = parse_completion(raw, headers.get)
    except GatewayError as error:
        return type(error), str(error), error.param
    return {name: getattr(read, name) for name in CompletionRequest.__match_args__ if name != "is_plain"}


@given(BODIES, HEADERS)
@example(PLAIN, {})
@example(PLAIN | {"messages": [{"role": "system", "content": each} for each in ("", "a", "")]}, {})
@example(PLAIN | {"messages": []}, {})
def test_both_ways_read_the_same(body: dict[str, Any], headers: dict[bytes, bytes]) -> None:
    raw = json.dumps(body).encode()
    short = outcome(raw, headers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request, "read_plain", lambda *_: None)
        assert outcome(raw, headers) == short


def test_a_request_of_texts_alone_is_plain() -> None:
    turns = [{"role": each, "content": f"{each}!"} for each in ("system", "user", "assistant", "user")]
    for messages in (PLAIN["messages"], turns):
        assert parse_completion(json.dumps(PLAIN | {"messages": messages}).encode()).is_plain


def test_a_request_that_repeats_an_answer_as_clients_have_it_is_plain() -> None:
    nothing: dict[str, object] = {
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
    }
    turns = [{"role": "assistant", "content": "a"} | nothing, {"role": "user", "content": "b", "name": "anna"}]
    assert parse_completion(json.dumps(PLAIN | {"messages": turns}).encode()).is_plain


@pytest.mark.parametrize("body", [b'{"model":"dari/routing",%b}', b'{"model": "dari/routing", %b}'])
@pytest.mark.parametrize("twice", [b'"max_tokens":9', b'"max_token\\u0073":9', b'"max_tokens" : null'])
def test_a_plain_body_with_a_key_twice_is_refused(body: bytes, twice: bytes) -> None:
    messages = b'"messages":[{"role":"user","content":"a"}],"max_tokens":9,'
    with pytest.raises(InvalidJson, match="twice"):
        parse_completion(body % (messages + twice))


@pytest.mark.parametrize("depth", [200, 100_000])
def test_a_plain_body_with_more_that_is_nested_too_deeply_is_refused(depth: int) -> None:
    more = b'{"role":"user","content":"a","x":' + depth * b"[" + depth * b"]" + b"}"
    with pytest.raises(InvalidJson, match="nested deeper than"):
        parse_completion(b'{"model":"dari/routing","messages":[' + more + b"]}")


@pytest.mark.parametrize("text", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xc0\x80"])
def test_a_plain_body_that_is_no_utf8_is_refused(text: bytes) -> None:
    for message in (b'{"role":"user","content":"%b"}', b'{"role":"user","content":"a","name":"%b"}'):
        with pytest.raises(InvalidJson, match="UTF-8"):
            parse_completion(b'{"model":"dari/routing","messages":[' + message % text + b"]}")


@pytest.mark.parametrize(
    ("more", "headers"),
    [
        ({"seed": 7}, {}),
        ({"user": "anna"}, {}),
        ({"metadata": {}}, {}),
        ({"routing.max_usd": 0.01}, {}),
        ({"messages": [{"role": "tool", "content": "7"}]}, {}),
        ({"messages": [{"role": "user", "content": "a", "cache_control": {"type": "ephemeral"}}]}, {}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, {}),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "a"}]}]}, {}),
        ({}, {b"x-router-instructions": b"Prefer lower cost."}),
        ({}, {b"x-router-episode": b"e"}),
    ],
)
def test_a_request_with_more_is_not_plain(more: dict[str, Any], headers: dict[bytes, bytes]) -> None:
    assert not parse_completion(json.dumps(PLAIN | more).encode(), headers.get).is_plain


def test_a_plain_request_forwards_its_fields_as_they_were_written() -> None:
    raw = b'{"temperature": 1e-1, "model": "dari/routing", "messages": [{"role":"user","content":"\\u00e9"}]}'
    fields = parse_completion(raw).fields
    assert list(fields) == ["temperature", "messages"]
    assert fields["temperature"] == msgspec.Raw(b"1e-1")
    assert bytes(fields["messages"]) == b'[{"role":"user","content":"\\u00e9"}]'
