"""Anthropic's API both ways, with the official client's types as the judge of what is sent and of what is fed in.

The messages and events are written after the shapes in Anthropic's public documentation.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from anthropic.types import Message, MessageCreateParams, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion import Choice
from pydantic import TypeAdapter

from bandit.price import Tokens
from bandit.types import Ending
from gateway.providers.anthropic.adapter import AnthropicProvider
from gateway.providers.anthropic.json_schema import narrowed
from gateway.providers.anthropic.requests import DEFAULT_MAX_TOKENS, JSON_TOOL, translate
from gateway.providers.anthropic.responses import EventReader, read_message
from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Call, Chunk, ProviderError, Usage
from gateway.settings import ProviderSettings
from tests.support.sockets import Raw, listening

PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
HI = [{"role": "user", "content": "Hi"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def sent(model: str = "claude-sonnet-5-5", **fields: Any) -> dict[str, Any]:
    """The body for these fields, valid by the official types."""
    raw = {"messages": HI, **fields}
    body, _ = translate(model, {name: msgspec.Raw(json.dumps(value).encode()) for name, value in raw.items()})
    found: dict[str, Any] = json.loads(msgspec.json.encode(body))
    PARAMS.validate_python(found)
    return found


def test_a_request_has_the_system_apart_and_a_limit() -> None:
    body = sent(messages=[{"role": "system", "content": "Be brief"}, {"role": "developer", "content": "Be kind"}, *HI])
    assert body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "system": [{"type": "text", "text": "Be brief"}, {"type": "text", "text": "Be kind"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_limits_stops_users_and_effort_are_translated() -> None:
    body = sent(max_tokens=9, stop=["END", " "], user="u1", reasoning_effort="minimal", metadata={"task": "x"}, n=1)
    assert body["max_tokens"] == 9
    assert body["stop_sequences"] == ["END"]
    assert body["metadata"] == {"user_id": "u1"}
    assert body["output_config"] == {"effort": "low"}
    assert sent(max_completion_tokens=7, max_tokens=9)["max_tokens"] == 7
    assert sent(stop="END")["stop_sequences"] == ["END"]


@pytest.mark.parametrize(
    "model", ["claude-sonnet-5-5", "claude-opus-4-7", "claude-haiku-5-5", "claude-fable-5-2", "new"]
)
def test_models_that_refuse_sampling_parameters_are_not_sent_any(model: str) -> None:
    assert sent(model, temperature=0.5, top_p=0.9).keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-opus-4-20250514", "claude-3-7-sonnet"]
)
def test_older_models_get_one_sampling_parameter_in_their_range(model: str) -> None:
    body = sent(model, temperature=1.7, top_p=0.9)
    assert (body["temperature"], "top_p" in body) == (1.0, False)
    assert sent(model, top_p=0.9)["top_p"] == 0.9


def test_images_and_files_become_blocks() -> None:
    parts = [
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
        {"type": "text", "text": "  "},
    ]
    assert sent(messages=[{"role": "user", "content": parts}])["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
    ]


def test_tool_calls_and_their_results_become_turns() -> None:
    def call(number: int, arguments: str) -> dict[str, Any]:
        return {"id": f"call_{number}", "type": "function", "function": {"name": "weather", "arguments": arguments}}

    conversation = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call(1, '{"city": "Rome"}'), call(2, "")]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "rain"}]},
        {"role": "user", "content": "And now?"},
    ]
    body = sent(messages=conversation, tools=[TOOL], tool_choice="required", parallel_tool_calls=False)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}},
        {"type": "tool_use", "id": "call_2", "name": "weather", "input": {}},
    ]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "sunny"}]},
        {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "rain"}]},
        {"type": "text", "text": "And now?"},
    ]
    assert body["tools"] == [
        {
            "name": "weather",
            "description": "The weather in a city",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        }
    ]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    undeclared = sent(messages=conversation)
    assert [tool["name"] for tool in undeclared["tools"]] == ["weather"]
    assert undeclared["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "translated"),
    [
        ("auto", None),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choices_are_translated(choice: Any, translated: Any) -> None:
    assert sent(tools=[TOOL], tool_choice=choice).get("tool_choice") == translated


SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}, "name": {"type": "string", "format": "email"}},
    "required": ["age"],
}


def asked(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}


def test_a_schema_goes_to_the_providers_own_structured_output_where_it_can_be_said() -> None:
    assert sent(response_format=asked(SCHEMA))["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "age": {"type": "integer", "description": '{"minimum":0}'},
                    "name": {"type": "string", "format": "email"},
                },
                "required": ["age"],
            },
        }
    }


def test_another_schema_goes_through_a_tool_that_must_be_called() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    body = sent(response_format=asked(schema))
    assert body["tool_choice"] == {"type": "tool", "name": JSON_TOOL}
    assert body["tools"][0]["input_schema"] == schema
    with pytest.raises(ProviderError) as told:
        sent(response_format=asked(schema), tools=[TOOL])
    assert told.value.param == "response_format"


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    assert "JSON object" in sent(response_format={"type": "json_object"})["system"][0]["text"]
    assert "system" not in sent(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"seed": 1}, "seed"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, None),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, None),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, None),
        (
            {
                "messages": [
                    *HI,
                    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "["}}]},
                ]
            },
            None,
        ),
    ],
)
def test_what_has_no_counterpart_is_another_models_turn(fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(ProviderError) as told:
        sent(**fields)
    assert told.value.ending is Ending.INCAPABLE
    assert told.value.param == param


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "function", "name", "arguments", "json_schema", "schema", "text"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
NAMES = ["messages", "tools", "tool_choice", "response_format", "reasoning_effort", "stop", "user", "n", "temperature"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=4))
def test_no_shape_of_a_request_breaks_the_translation(fields: dict[str, Any]) -> None:
    try:
        translate("claude-3-opus", {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()})
    except ProviderError as error:
        told = error
    else:
        return
    assert told.ending is Ending.INCAPABLE


TEXT = st.text(max_size=6)
PART = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.just({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
)
CONTENT = st.none() | TEXT | st.lists(PART, max_size=3)
MESSAGE = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "assistant", "system", "developer"]),
        CONTENT,
    ),
    st.builds(lambda content: {"role": "tool", "tool_call_id": "c/1", "content": content}, TEXT),
    st.just({"role": "assistant", "tool_calls": [{"id": "c/1", "function": {"name": "f", "arguments": "{}"}}]}),
)


@given(st.lists(MESSAGE, min_size=1, max_size=6))
def test_any_conversation_becomes_one_that_the_official_types_accept(messages: list[Any]) -> None:
    body = sent(messages=messages)
    turns = body["messages"]
    assert turns
    assert all(first["role"] != second["role"] for first, second in itertools.pairwise(turns))
    blocks = [block for turn in turns for block in turn["content"]]
    assert blocks
    assert all(block["text"].strip() for block in blocks if block["type"] == "text")


@given(
    st.recursive(
        st.sampled_from(
            [{"type": "string"}, {"type": "integer", "minimum": 1}, {"enum": ["a"]}, {}, True, {"type": "object"}]
        ),
        lambda inner: (
            st.builds(lambda item: {"type": "array", "items": item}, inner)
            | st.builds(lambda items: {"anyOf": items}, st.lists(inner, max_size=2))
            | st.builds(lambda named: {"type": "object", "properties": named}, st.dictionaries(TEXT, inner, max_size=3))
        ),
        max_leaves=6,
    )
)
def test_a_narrowed_schema_has_only_closed_objects(schema: Any) -> None:
    def check(found: Any) -> None:
        if isinstance(found, dict) and found.get("type") == "object":
            assert found["additionalProperties"] is False
            assert found["properties"]
        for value in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
            check(value)

    found = narrowed(schema)
    if found is not None:
        check(found)


def message(*content: dict[str, Any], **changes: Any) -> bytes:
    """A message that the official types accept."""
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 2,
        },
    } | changes
    Message.model_validate(whole)
    return json.dumps(whole).encode()


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
SAID = {"type": "text", "text": "Hello", "citations": None}
USED = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}, "caller": {"type": "direct"}}


def test_an_answer_becomes_a_completion_without_its_thoughts() -> None:
    answer = read_message(message(THOUGHT, SAID, {**SAID, "text": " there"}), json_tool=False)
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    assert choice["message"] == {"role": "assistant", "content": "Hello there"}
    assert answer.finish_reason == "stop"
    assert answer.text == "Hello there"
    assert answer.usage == Usage(Tokens(prompt_tokens=15, completion_tokens=5, cached_tokens=3, cache_write_tokens=2))
    assert msgspec.json.decode(answer.fields["usage"]) == {
        "prompt_tokens": 15,
        "completion_tokens": 5,
        "total_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
    }


def test_tool_use_becomes_tool_calls() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"), json_tool=False)
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert choice["message"]["tool_calls"] == [{"id": "toolu_1", "type": "function", "function": function}]
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "tool_calls"


def test_json_that_came_through_a_tool_is_the_content() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"), json_tool=True)
    assert answer.text == '{"city": "Rome"}'
    assert answer.finish_reason == "stop"
    assert "tool_calls" not in msgspec.json.decode(answer.fields["choices"])[0]["message"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reasons_are_translated(reason: str, finish: str) -> None:
    assert read_message(message(SAID, stop_reason=reason), json_tool=False).finish_reason == finish


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"content":3}'])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderError, match="malformed"):
        read_message(body, json_tool=False)


START = {
    "type": "message_start",
    "message": json.loads(
        message(stop_reason=None, usage={"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 3})
    ),
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def begin(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def close(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str = "end_turn", **usage: int) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 15, **usage},
    }


TALK = [
    START,
    begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
    PING,
    more(0, type="thinking_delta", thinking="hm"),
    more(0, type="signature_delta", signature="s"),
    close(0),
    begin(1, {"type": "text", "text": "", "citations": None}),
    more(1, type="text_delta", text="Hel"),
    more(1, type="text_delta", text="lo"),
    close(1),
    finish(),
    STOP,
]
TOOLS = [
    START,
    begin(0, {**USED, "input": {}}),
    more(0, type="input_json_delta", partial_json=""),
    more(0, type="input_json_delta", partial_json='{"city":'),
    more(0, type="input_json_delta", partial_json=' "Rome"}'),
    close(0),
    begin(1, {**USED, "id": "toolu_2", "name": "now", "input": {}}),
    close(1),
    finish("tool_use"),
    STOP,
]


def read(events: list[dict[str, Any]], *, json_tool: bool = False) -> tuple[EventReader, list[Chunk]]:
    reader = EventReader(json_tool)
    chunks = []
    for event in events:
        if event["type"] not in {"ping", "error"}:
            EVENT.validate_python(event)
        chunk = reader.read(json.dumps(event).encode())
        if chunk is not None:
            chunks.append(chunk)
            if "choices" in chunk.fields:
                whole = {name: msgspec.json.decode(raw) for name, raw in chunk.fields.items() if name != "usage"}
                ChatCompletionChunk.model_validate(
                    {"id": "x", "created": 1, "model": "m", "object": "chat.completion.chunk", **whole}
                )
    return reader, chunks


def test_a_stream_becomes_chunks_without_its_thoughts() -> None:
    reader, chunks = read(TALK)
    assert "".join(chunk.text for chunk in chunks) == "Hello"
    assert "hm" not in json.dumps([bytes(raw).decode() for chunk in chunks for raw in chunk.fields.values()])
    assert sum(chunk.text_bytes for chunk in chunks) == len("hmHello")
    assert [chunk.says for chunk in chunks] == [False, False, False, False, True, True, True]
    assert [chunk.lives for chunk in chunks] == [False, *[True] * 6]
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage == Usage(Tokens(prompt_tokens=13, completion_tokens=15, cached_tokens=3))
    assert (reader.alive, reader.finished, reader.complete, reader.ended) == (True, True, True, True)


@pytest.mark.parametrize(
    "event",
    [
        begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
        begin(0, {"type": "redacted_thinking", "data": "x"}),
        more(0, type="thinking_delta", thinking="hm"),
        more(0, type="signature_delta", signature="s"),
    ],
)
def test_a_thought_is_a_sign_of_life_even_if_its_text_is_kept_back(event: dict[str, Any]) -> None:
    reader, (role, thought) = read([START, event])
    assert (role.lives, thought.lives, thought.says) == (False, True, False)
    assert reader.alive


def test_streamed_tool_calls_have_arguments_that_are_json() -> None:
    _, chunks = read(TOOLS)
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for choice in msgspec.json.decode(chunk.fields["choices"]):
            for call in choice["delta"].get("tool_calls", []):
                found = calls.setdefault(call["index"], {"id": call.get("id", ""), "name": "", "arguments": ""})
                found["name"] += call["function"].get("name", "")
                found["arguments"] += call["function"]["arguments"]
    assert calls == {
        0: {"id": "toolu_1", "name": "weather", "arguments": '{"city": "Rome"}'},
        1: {"id": "toolu_2", "name": "now", "arguments": "{}"},
    }
    assert chunks[-1].finish_reason == "tool_calls"


def test_streamed_json_that_came_through_a_tool_is_the_content() -> None:
    _, chunks = read([*TOOLS[:6], finish("tool_use"), STOP], json_tool=True)
    assert "".join(chunk.text for chunk in chunks) == '{"city": "Rome"}'
    assert chunks[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("kind", "ending", "status"),
    [
        ("overloaded_error", Ending.FAILED, 529),
        ("rate_limit_error", Ending.RATE_LIMITED, 429),
        ("api_error", Ending.FAILED, 500),
        ("authentication_error", Ending.MISCONFIGURED, 401),
    ],
)
def test_an_error_event_means_what_its_type_says(kind: str, ending: Ending, status: int) -> None:
    with pytest.raises(ProviderError) as told:
        read([START, {"type": "error", "error": {"type": kind, "message": "Overloaded"}}])
    assert (told.value.ending, told.value.status) == (ending, status)


def stream_of(events: list[dict[str, Any]]) -> bytes:
    body = b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_the_provider_speaks_over_http_plain_and_streamed(client: HttpClient, call: Callable[..., Call]) -> None:
    body = message(SAID)
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    raw = Raw(plain, stream_of(TALK), stream_of(TALK[:-2]))
    async with listening(raw.serve) as port:
        adapter = AnthropicProvider(ProviderSettings("a", "anthropic", f"http://127.0.0.1:{port}/v1", ("key",)), client)
        limited = replace(call("claude-sonnet-5-5"), output_limit=4_096)
        assert (await adapter.complete(limited)).text == "Hello"
        lists = [chunks async for chunks in adapter.stream(call("claude-sonnet-5-5"))]
        assert "".join(chunk.text for chunks in lists for chunk in chunks) == "Hello"
        with pytest.raises(ProviderError) as told:
            async for _ in adapter.stream(call("claude-sonnet-5-5")):
                pass
    assert told.value.ending is Ending.CUT
    assert raw.requests[0].startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"\r\nx-api-key: key\r\n" in raw.requests[0]
    assert b"\r\nanthropic-version: 2023-06-01\r\n" in raw.requests[0]
    whole, streamed, _ = (json.loads(request.partition(b"\r\n\r\n")[2]) for request in raw.requests)
    assert "stream" not in whole
    assert streamed["stream"] is True
    assert (whole["max_tokens"], streamed["max_tokens"]) == (4_096, DEFAULT_MAX_TOKENS)


def test_fields_without_a_translation_are_not_known(client: HttpClient) -> None:
    adapter = AnthropicProvider(
        ProviderSettings("a", "anthropic", "http://127.0.0.1/v1", drop=frozenset({"seed"})), client
    )
    assert adapter.knows("tools")
    assert adapter.knows("metadata")
    assert adapter.knows("seed")
    assert not adapter.knows("logit_processors")
