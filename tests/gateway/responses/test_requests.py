"""Responses requests become the chat completions that mean the same, or are refused by the name of the field."""

import json
from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.responses.requests import read_request


def chat_of(**fields: Any) -> dict[str, Any]:
    chat: dict[str, Any] = json.loads(read_request(json.dumps({"model": "dari/routing"} | fields).encode()).chat)
    assert chat.pop("model") == "dari/routing"
    return chat


def test_a_text_and_instructions_are_two_messages() -> None:
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}
    assert chat_of(input="Hi", instructions="Be brief.") == {"messages": [system, user]}


def test_what_both_apis_know_keeps_its_meaning() -> None:
    chat = chat_of(
        input="Hi",
        max_output_tokens=9,
        temperature=0.1,
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        tool_choice={"type": "function", "name": "f"},
        metadata={"task": "code"},
        routing={"instructions": "cheap"},
        stream=True,
        store=False,
        include=["reasoning.encrypted_content"],
        truncation="auto",
        previous_response_id=None,
        seed=7,
    )
    assert chat.pop("messages") == [{"role": "user", "content": "Hi"}]
    function = {"name": "f", "parameters": {"type": "object"}, "strict": True}
    assert chat == {
        "max_completion_tokens": 9,
        "temperature": 0.1,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "metadata": {"task": "code"},
        "routing": {"instructions": "cheap"},
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 7,
    }


def test_a_conversation_with_calls_is_one_assistant_message_and_the_tools_answers() -> None:
    items = [
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
    ]
    messages = chat_of(input=items)["messages"]
    assert messages[0] == {"role": "developer", "content": "d"}
    assert messages[1]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages[2]["content"] == "let me see"
    assert [call["id"] for call in messages[2]["tool_calls"]] == ["c1", "c2"]
    assert messages[2]["tool_calls"][1]["function"] == {"name": "g", "arguments": '{"a": 1}'}
    assert messages[3:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
    ]


def test_images_files_and_audio_are_parts() -> None:
    parts = [
        {"type": "input_image", "image_url": "data:image/png;base64,aa", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aa"},
        {"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}},
    ]
    (message,) = chat_of(input=[{"role": "user", "content": parts}])["messages"]
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aa", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aa", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}},
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input[0].arguments"),
        ({"input": "a", "store": True}, "store"),
        ({"input": "a", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "a", "conversation": "conv_1"}, "conversation"),
        ({"input": "a", "background": True}, "background"),
        ({"input": "a", "prompt": {"id": "p"}}, "prompt"),
        ({"input": "a", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "a", "tools": [{"type": "function"}], "tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"input": "a", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "a", "max_output_tokens": 10**400}, "max_output_tokens"),
        ({"input": "a", "max_output_tokens": "9"}, "max_output_tokens"),
        ({"input": "a", "truncation": "middle"}, "truncation"),
        ({"input": "a", "text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"input": "a", "instructions": 5}, "instructions"),
    ],
)
def test_what_can_not_be_served_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        chat_of(**fields)
    assert caught.value.param == param
