"""Conversations as Anthropic takes them: turns, ids of tool calls, cache marks."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.anthropic.messages import _ToolIds
from tests.support.anthropic_requests import CALLED, HI, TOOL, sent


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
