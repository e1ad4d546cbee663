"""Anthropic's API both ways, with the official client's types as the judge of what is sent and of what is fed in.

The messages and events are written after the shapes in Anthropic's public documentation.
"""

import itertools
import json
import re
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
from gateway.providers.anthropic.messages import _ToolIds
from gateway.providers.anthropic.requests import DEFAULT_MAX_TOKENS, JSON_TOOL, PLAIN, Form, translate
from gateway.providers.anthropic.responses import EventReader, read_message
from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Call, Chunk, ProviderError, Usage
from gateway.settings import ProviderSettings
from tests.support.sockets import Raw, listening

PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
HI = [{"role": "user", "content": "Hi"}]
JSON_FORM = Form(json_tool=True)
TOOL: dict[str, Any] = {
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
    ("effort", "translated"), [("none", "low"), ("low", "low"), ("xhigh", "xhigh"), ("max", "max"), ("odd", "high")]
)
def test_an_effort_is_one_that_the_api_knows(effort: str, translated: str) -> None:
    assert sent(reasoning_effort=effort)["output_config"] == {"effort": translated}


@pytest.mark.parametrize(
    ("model", "translated"),
    [
        ("claude-3-5-sonnet-latest", {}),
        ("claude-3-7-sonnet-20250219", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-opus-4-1-20250805", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-haiku-4-5-20251001", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-opus-4-5", {"output_config": {"effort": "high"}}),
        ("claude-sonnet-4-6", {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}}),
        ("claude-opus-4-7", {"output_config": {"effort": "xhigh"}, "thinking": {"type": "adaptive"}}),
        ("claude-sonnet-5", {"output_config": {"effort": "xhigh"}}),
        ("claude-haiku-5-5", {"output_config": {"effort": "xhigh"}}),
        ("somebody-elses-model", {}),
    ],
)
def test_how_much_to_think_is_said_as_the_model_takes_it(model: str, translated: dict[str, Any]) -> None:
    body = sent(model, reasoning_effort="xhigh")
    assert {key: body[key] for key in ("output_config", "thinking") if key in body} == translated


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [("low", 100_000, 2_048), ("medium", 100_000, 8_192), ("high", 100_000, 16_384), ("high", 6_000, 3_000)],
)
def test_a_budget_leaves_half_of_the_answer_to_what_is_said(effort: str, max_tokens: int, budget: int) -> None:
    body = sent("claude-sonnet-4-5", reasoning_effort=effort, max_tokens=max_tokens, temperature=0.5, top_p=0.5)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "temperature" not in body  # thinking wants the default
    assert "top_p" not in body


CALLED = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "none"},
        {"reasoning_effort": "minimal"},
        {"max_tokens": 2_000},
        {"tools": [TOOL], "tool_choice": "required"},
        {"messages": [*HI, CALLED, {"role": "tool", "tool_call_id": "c", "content": "sunny"}]},
        {"messages": [*HI, {"role": "assistant", "content": "It is"}]},
    ],
)
def test_a_budget_is_not_sent_where_it_is_refused(fields: dict[str, Any]) -> None:
    assert "thinking" not in sent("claude-sonnet-4-5", **{"reasoning_effort": "high", **fields})


def test_thinking_and_other_fields_of_the_api_itself_are_sent_as_they_are() -> None:
    thinking, mark = {"type": "enabled", "budget_tokens": 2_000}, {"type": "ephemeral", "ttl": "1h"}
    body = sent("claude-sonnet-4-5", thinking=thinking, cache_control=mark, top_k=5, reasoning_effort="high")
    assert (body["thinking"], body["cache_control"], body["top_k"]) == (thinking, mark, 5)


def test_a_limit_above_the_models_own_is_its_own() -> None:
    raw = {"messages": msgspec.Raw(json.dumps(HI).encode()), "max_tokens": msgspec.Raw(b"200000")}
    assert translate("claude-haiku-4-5", raw, 64_000)[0]["max_tokens"] == 64_000
    assert translate("claude-haiku-4-5", raw, None)[0]["max_tokens"] == 200_000


@pytest.mark.parametrize(("user", "metadata"), [("me@example.com", None), ("u" * 300, {"user_id": "u" * 256})])
def test_a_users_id_is_one_that_the_api_takes(user: str, metadata: dict[str, str] | None) -> None:
    assert sent(user=user).get("metadata") == metadata


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


JPEG, PNG, GIF, WEBP = "/9j/4AAQ", "iVBORw0KGgoAAA", "R0lGODlh", "UklGRgAA"


def attached(part: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sent(messages=[{"role": "user", "content": [part]}])["messages"][0]["content"][0]
    return found


def file(data: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, **more}}


@pytest.mark.parametrize(
    ("declared", "data", "media_type"),
    [
        ("image/jpg", "aGk=", "image/jpeg"),
        ("image/pjpeg", "aGk=", "image/jpeg"),
        ("IMAGE/JPG", "aGk=", "image/jpeg"),
        ("image/x-png", "aGk=", "image/png"),
        ("image/webp", "aGk=", "image/webp"),
        ("image/png", JPEG, "image/jpeg"),
        ("image/jpeg", PNG, "image/png"),
        ("image/jpeg", GIF, "image/gif"),
        ("image/png", WEBP, "image/webp"),
        ("application/octet-stream", PNG, "image/png"),
    ],
)
def test_an_image_has_the_media_type_that_it_shows(declared: str, data: str, media_type: str) -> None:
    url = f"data:{declared};base64,{data}"
    block = {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
    assert attached({"type": "image_url", "image_url": {"url": url}}) == block
    assert attached(file(url)) == block


@pytest.mark.parametrize(
    "url",
    [
        "data:text/plain;base64,YSxiCjEsMg==",
        "data:text/csv;charset=utf-8;base64,YSxiCjEsMg==",
        "data:application/json;base64,77u/YSxiCjEsMg==",
        "data:application/vnd.api+json;base64,YSxiCjEsMg==",
        "data:;base64,YSxiCjEsMg==",
        "data:text/markdown,a%2Cb%0A1%2C2",
    ],
)
def test_a_text_file_becomes_a_document_of_text(url: str) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "a,b\n1,2"}
    assert attached(file(url, filename="a.csv")) == {"type": "document", "source": source, "title": "a.csv"}


def test_a_pdf_is_known_by_its_beginning() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}
    for data in ("JVBERi0x", "data:application/octet-stream;base64,JVBERi0x", "data:application/pdf;base64,JVBERi0x"):
        assert attached(file(data)) == {"type": "document", "source": source}


@pytest.mark.parametrize(
    "part",
    [
        *(
            {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,aGk="}}
            for kind in ("heic", "svg+xml")
        ),
        {"type": "image_url", "image_url": {"url": "ftp://example.com/a.png"}},
        file("data:application/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBA=="),
        file("data:application/zip;base64,UEsDBA=="),
        file("data:text/plain;base64,/w=="),
        file("data:text/plain;base64,not base64"),
        file("data:text/plain;base64,"),
        file("UEsDBA=="),
    ],
)
def test_other_images_and_files_are_another_models_turn(part: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as told:
        attached(part)
    assert told.value.ending is Ending.INCAPABLE


def test_cache_marks_travel_wherever_they_stand() -> None:
    mark = {"type": "ephemeral"}
    body = sent(
        messages=[
            {"role": "system", "content": "Be brief", "cache_control": mark},
            {"role": "user", "content": "Hi", "cache_control": mark},
            CALLED,
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
            {"role": "tool", "tool_call_id": "d", "content": "b", "cache_control": mark},
        ],
        tools=[{**TOOL, "cache_control": mark}, {**TOOL, "function": {**TOOL["function"], "cache_control": mark}}],
    )
    assert body["system"][0]["cache_control"] == mark
    assert body["messages"][0]["content"][0]["cache_control"] == mark
    first, second = body["messages"][2]["content"]
    assert first["content"][0]["cache_control"] == second["cache_control"] == mark
    assert [tool["cache_control"] for tool in body["tools"]] == [mark, mark]


def test_a_conversation_begins_with_the_user() -> None:
    turns = sent(messages=[{"role": "assistant", "content": "How can I help?"}, *HI])["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]


@pytest.mark.parametrize(("model", "taken"), [("claude-sonnet-4-5", True), ("claude-sonnet-4-6", False), ("new", True)])
def test_an_answer_is_begun_for_models_that_go_on_from_it(model: str, taken: bool) -> None:
    messages = [*HI, {"role": "assistant", "content": "It is "}]
    if taken:
        assert sent(model, messages=messages)["messages"][-1]["content"] == [{"type": "text", "text": "It is"}]
        return
    with pytest.raises(ProviderError, match="the user has to speak last"):
        sent(model, messages=messages)


def calling(*ids: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": "{}"}
    return {"role": "assistant", "tool_calls": [{"id": id_, "type": "function", "function": function} for id_ in ids]}


def results(*ids: str) -> list[dict[str, Any]]:
    return [{"role": "tool", "tool_call_id": id_, "content": f"result {n}"} for n, id_ in enumerate(ids)]


@pytest.mark.parametrize(
    "turns",
    [
        [("a.b", "a/b", "a_b")],
        [("call_0", "call_1"), ("call_0", "call_1"), ("call_0",)],
        [("", ""), ("",)],
        [("c", "c", "c_2")],
        [("ä", "ö")],
    ],
)
def test_ids_of_tool_calls_are_unique_and_results_find_theirs(turns: list[tuple[str, ...]]) -> None:
    messages = [*HI]
    for ids in turns:
        messages += [calling(*ids), *results(*ids)]
    blocks = [block for turn in sent(messages=messages)["messages"] for block in turn["content"]]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert len(set(calls)) == len(calls)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", id_) for id_ in calls)
    assert [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"] == calls


def test_many_calls_of_one_id_are_numbered_without_looking_at_all_of_them_again() -> None:
    ids = _ToolIds()
    found = [ids.call("c") for _ in range(20_000)]
    assert found[-1] == "c_20000"
    assert len(set(found)) == 20_000


def test_functions_of_old_are_tools_and_their_calls_have_ids() -> None:
    body = sent(
        messages=[
            *HI,
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "weather", "arguments": '{"city": "Rome"}'},
            },
            {"role": "function", "name": "weather", "content": "sunny"},
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
            {"role": "function", "name": "weather", "content": "rain"},
        ],
        functions=[TOOL["function"]],
        function_call={"name": "weather"},
        model="claude-sonnet-5",
    )
    uses = [block for turn in body["messages"] for block in turn["content"] if block["type"] == "tool_use"]
    given = [block for turn in body["messages"] for block in turn["content"] if block["type"] == "tool_result"]
    assert [use["input"] for use in uses] == [{"city": "Rome"}, {}]
    assert [result["tool_use_id"] for result in given] == [use["id"] for use in uses]
    assert uses[0]["id"] != uses[1]["id"]
    assert [tool["name"] for tool in body["tools"]] == ["weather"]
    assert body["tool_choice"] == {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    assert sent(functions=[TOOL["function"]])["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert sent(functions=[TOOL["function"]], function_call="none")["tool_choice"] == {"type": "none"}


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
    body = sent(
        "claude-sonnet-5", messages=conversation, tools=[TOOL], tool_choice="required", parallel_tool_calls=False
    )
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
    ("model", "taken"),
    [
        ("claude-sonnet-5", True),
        ("claude-haiku-5-5", True),
        ("claude-sonnet-5-5", False),
        ("claude-opus-5-5", False),
        ("claude-fable-5-1", False),
    ],
)
def test_a_call_is_demanded_of_models_that_can_be_made_to(model: str, taken: bool) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        if taken:
            assert sent(model, tools=[TOOL], tool_choice=choice)["tool_choice"]["type"] in {"any", "tool"}
            continue
        with pytest.raises(ProviderError) as told:
            sent(model, tools=[TOOL], tool_choice=choice)
        assert told.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"], "properties": {}}, {"type": "object", "properties": {}}),
        (
            {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]},
            {"type": "object", "properties": {}, "description": '{"anyOf":[{"required":["a"]}]}'},
        ),
        (
            {"description": "one of", "oneOf": [{"type": "object"}]},
            {"type": "object", "description": 'one of\n\n{"oneOf":[{"type":"object"}]}'},
        ),
    ],
)
def test_a_tools_input_is_an_object_without_combinators_at_its_top(parameters: Any, schema: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    assert sent(tools=[tool])["tools"][0]["input_schema"] == schema


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
    assert sent("claude-sonnet-5", tools=[TOOL], tool_choice=choice).get("tool_choice") == translated


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
    body = sent("claude-sonnet-5", response_format=asked(schema))
    assert body["tool_choice"] == {"type": "tool", "name": JSON_TOOL}
    assert body["tools"][0]["input_schema"] == schema
    for model, more in (("claude-sonnet-5", {"tools": [TOOL]}), ("claude-sonnet-5-5", {})):
        with pytest.raises(ProviderError) as told:
            sent(model, response_format=asked(schema), **more)
        assert told.value.param == "response_format"


def test_models_without_structured_output_give_their_json_through_a_tool() -> None:
    body = sent("claude-3-5-sonnet-latest", response_format=asked(SCHEMA))
    assert (body["tools"][0]["name"], "output_config" in body) == (JSON_TOOL, False)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": ["string"], "description": "x"}, {"type": "string", "description": "x"}),
        ({"type": "string", "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"enum": ["a", None]}),
        (
            {"type": ["integer", "null"], "minimum": 1, "description": "how many"},
            {
                "anyOf": [{"type": "integer", "description": '{"minimum":1}'}, {"type": "null"}],
                "description": "how many",
            },
        ),
        (
            {"type": ["array", "null"], "items": {"type": ["number", "string"]}},
            {
                "anyOf": [
                    {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}},
                    {"type": "null"},
                ]
            },
        ),
        (
            {"type": ["object", "null"], "properties": {"b": {"type": "string"}}, "required": ["b"]},
            {
                "anyOf": [
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"b": {"type": "string"}},
                        "required": ["b"],
                    },
                    {"type": "null"},
                ]
            },
        ),
    ],
)
def test_a_list_of_types_becomes_alternatives(given: dict[str, Any], found: dict[str, Any]) -> None:
    schema = narrowed({"type": ["object", "null"], "properties": {"a": given}})
    assert schema == {"type": "object", "additionalProperties": False, "properties": {"a": found}}


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
        ({"messages": [{"role": "narrator", "content": "x"}]}, None),
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
    body = sent("claude-sonnet-4-5", messages=messages)
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
    answer = read_message(message(THOUGHT, SAID, {**SAID, "text": " there"}))
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
    answer = read_message(message(USED, stop_reason="tool_use"))
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert choice["message"]["tool_calls"] == [{"id": "toolu_1", "type": "function", "function": function}]
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "tool_calls"


LEGACY = Form(legacy=True)


def test_a_call_of_a_function_of_old_goes_back_as_one() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"), LEGACY)
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    assert choice["message"]["function_call"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert answer.finish_reason == choice["finish_reason"] == "function_call"


@pytest.mark.parametrize(
    ("text", "stops", "cut"),
    [
        ("one\ntwo", ("\n",), "one"),
        ("one two", ("\n",), "one two"),
        ("a\nb\n\nc", ("\n\n",), "a\nb"),
        ("a\tb\nc", ("\n", "\t"), "a"),
        ("\n", ("\n\n",), "\n"),
        ("", ("\n",), ""),
    ],
)
def test_stops_of_white_space_are_applied_by_us(text: str, stops: tuple[str, ...], cut: str) -> None:
    raw = {"messages": msgspec.Raw(b"[]"), "stop": msgspec.json.encode([*stops, "END", ""])}
    body, form = translate("claude-sonnet-5", {name: msgspec.Raw(value) for name, value in raw.items()})
    assert (body["stop_sequences"], form.stops) == (["END"], stops)
    whole = read_message(message({**SAID, "text": text}, USED, stop_reason="tool_use"), form)
    said = msgspec.json.decode(whole.fields["choices"])[0]["message"]
    assert whole.text == cut or not text
    assert whole.finish_reason == ("stop" if cut != text else "tool_calls")
    assert ("tool_calls" in said) is (cut == text)
    for size in (1, 2, 100):
        pieces = [more(0, type="text_delta", text=text[at : at + size]) for at in range(0, len(text), size)]
        reader, chunks = read([START, begin(0, {**SAID, "text": ""}), *pieces, close(0), finish(), STOP], form)
        # What comes behind the stop is not read any more: the caller closes the stream.
        ends = next(at for at, chunk in enumerate(chunks) if chunk.finish_reason)
        assert "".join(chunk.text for chunk in chunks[: ends + 1]) == cut
        assert chunks[ends].finish_reason == "stop"
        assert reader.ended


def test_json_that_came_through_a_tool_is_the_content() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"), JSON_FORM)
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
    assert read_message(message(SAID, stop_reason=reason)).finish_reason == finish


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"content":3}'])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderError, match="malformed"):
        read_message(body)


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


def read(events: list[dict[str, Any]], form: Form = PLAIN) -> tuple[EventReader, list[Chunk]]:
    reader = EventReader(form)
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


def test_a_streamed_call_of_a_function_of_old_goes_back_as_one() -> None:
    _, chunks = read([*TOOLS[:6], finish("tool_use"), STOP], LEGACY)
    deltas = [msgspec.json.decode(chunk.fields["choices"])[0]["delta"].get("function_call", {}) for chunk in chunks]
    assert [delta["name"] for delta in deltas if "name" in delta] == ["weather"]
    assert "".join(delta.get("arguments", "") for delta in deltas) == '{"city": "Rome"}'
    assert chunks[-1].finish_reason == "function_call"


def test_streamed_json_that_came_through_a_tool_is_the_content() -> None:
    _, chunks = read([*TOOLS[:6], finish("tool_use"), STOP], JSON_FORM)
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
