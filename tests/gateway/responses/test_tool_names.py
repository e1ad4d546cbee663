"""Tools in namespaces, as Codex sends them, are functions of a chat completion, and their calls come back in theirs."""

import json
from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.responses.answers import read_completion, response
from gateway.responses.events import EventWriter
from gateway.responses.requests import Asked, read_request
from gateway.responses.tool_names import LONGEST_NAME, chat_name, restore_names
from tests.gateway.responses.test_events import call, chunk, events_of

CRM = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers.",
    "tools": [
        {"type": "function", "name": "find", "parameters": {"type": "object"}},
        {"type": "custom", "name": "note"},
    ],
}
PLAIN = {"type": "function", "name": "find"}


def asked(*tools: dict[str, Any], given: Any = "Hi", **fields: Any) -> Asked:
    body = {"model": "dari/routing", "input": given, "tools": tools, **fields}
    return read_request(json.dumps(body).encode())


def test_tools_of_a_namespace_are_offered_beside_others_of_the_same_name() -> None:
    read = asked(CRM, PLAIN, tool_choice={"type": "function", "name": "find", "namespace": "crm"})
    chat = json.loads(read.chat)
    assert [tool[tool["type"]]["name"] for tool in chat["tools"]] == ["crm__find", "crm__note", "find"]
    assert chat["tools"][0]["function"]["parameters"] == {"type": "object"}
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "crm__find"}}
    assert read.echo["tools"] == [CRM, PLAIN], "the response repeats what was asked"


def test_a_call_comes_back_with_its_namespace_whole_and_streamed() -> None:
    read = asked(CRM, PLAIN)
    calls: list[dict[str, Any]] = [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "crm__find", "arguments": "{}"}},
        {"index": 1, "id": "call_2", "type": "custom", "custom": {"name": "crm__note", "input": "x"}},
        {"index": 2, "id": "call_3", "type": "function", "function": {"name": "find", "arguments": "{}"}},
    ]
    expected = [("function_call", "crm", "find"), ("custom_tool_call", "crm", "note"), ("function_call", None, "find")]

    def told(output: list[dict[str, Any]]) -> list[tuple[str, str | None, str]]:
        return [(item["type"], item.get("namespace"), item["name"]) for item in output]

    whole = {"id": "chatcmpl-req_1", "created": 5, "model": "p/m", "choices": [{"message": {"tool_calls": calls}}]}
    completion = read_completion(json.dumps(whole).encode())
    restore_names(completion, read.names)
    assert told(json.loads(response(completion, read.echo))["output"]) == expected
    writer = EventWriter(read.echo, read.names)
    written = [writer.chunk(chunk())] + [writer.chunk(chunk(**call(**each))) for each in calls] + [writer.end()]
    events = events_of(b"".join(written))
    assert told(events[-1]["response"]["output"]) == expected
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert told(added) == expected


def test_a_call_of_the_conversation_has_the_name_that_was_offered() -> None:
    items = [
        {"type": "message", "role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "c", "namespace": "crm", "name": "find", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "none"},
    ]
    chat = json.loads(asked(CRM, given=items).chat)
    assert chat["messages"][1]["tool_calls"][0]["function"]["name"] == "crm__find"


def test_long_names_are_cut_and_stay_apart() -> None:
    names = {chat_name("n" * 60, f"{'t' * 60}{number}") for number in range(50)}
    assert len(names) == 50
    assert {len(name) for name in names} == {LONGEST_NAME}
    assert chat_name("mcp__files__", "read") == "mcp__files____read"
    assert chat_name(None, "read") == chat_name("", "read") == "read"


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "namespace", "name": "crm"}, "tools[0]"),
        ({"type": "namespace", "tools": []}, "tools[0]"),
        ({"type": "namespace", "name": "crm", "tools": [{"type": "function"}]}, "tools[0].tools[0]"),
        ({"type": "namespace", "name": "crm", "tools": [7]}, "tools[0].tools[0]"),
        ({"type": "namespace", "name": "crm", "tools": [{"type": "mcp", "name": "x"}]}, "tools[0].tools[0].type"),
        ({"type": "namespace", "name": "crm", "tools": [CRM]}, "tools[0].tools[0].type"),
        ({"type": "web_search"}, "tools[0].type"),
    ],
)
def test_what_is_no_namespace_is_refused_by_its_place(tool: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        asked(tool)
    assert caught.value.param == param


def test_what_codex_tells_of_itself_is_not_forwarded() -> None:
    assert "client_metadata" not in json.loads(asked(PLAIN, client_metadata={"turn_id": "x"}).chat)
