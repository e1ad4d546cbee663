"""Streams of chunks become events that OpenAI's own types accept, and that add up to the response at their end."""

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.responses.answers import read_completion, response
from gateway.responses.events import EventWriter
from gateway.responses.requests import read_request

ASKED = read_request(b'{"model": "dari/routing", "input": "Hi", "tools": [{"type": "function", "name": "f"}]}')
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "cost_usd": 0.5}


def chunk(finish: str | None = None, usage: object = None, **delta: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if usage is None else []
    fields = {"id": "chatcmpl-req_1", "created": 5, "model": "p/m", "choices": choices, "usage": usage}
    return json.dumps(fields | {"dari_routing": {"selected_model": "p/m"}}).encode()


def call(index: int, **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **fields}]}


def events_of(written: bytes) -> list[dict[str, Any]]:
    told = []
    for text in written.decode().split("\n\n")[:-1]:
        name, data = text.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENT.validate_python(event)
        told.append(event)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


def stream(*chunks: bytes) -> list[dict[str, Any]]:
    writer = EventWriter(ASKED.echo, ASKED.names)
    return events_of(b"".join([*map(writer.chunk, chunks), writer.end()]))


def test_text_comes_as_one_message() -> None:
    told = stream(chunk(), chunk(content="Hel"), chunk(content="lo"), chunk("stop"), chunk(usage=USAGE))
    assert [event["type"].removeprefix("response.") for event in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    whole = Response.model_validate(told[-1]["response"])
    assert (whole.id, whole.status, whole.output_text) == ("resp_req_1", "completed", "Hello")
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (3, 4)
    assert told[-1]["response"]["usage"]["cost_usd"] == 0.5
    assert told[0]["response"]["dari_routing"] == {"selected_model": "p/m"}


def test_reasoning_text_and_calls_are_items_in_their_order() -> None:
    told = stream(
        chunk(reasoning_content="hm"),
        chunk(content="I'll call."),
        chunk(**call(0, id="c1", type="function", function={"name": "f", "arguments": ""})),
        chunk(**call(0, function={"arguments": '{"a"'})),
        chunk(**call(0, function={"arguments": ": 1}"})),
        chunk(**call(1, id="c2", type="function", function={"name": "f", "arguments": "{}"})),
        chunk("tool_calls"),
    )
    items = told[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.get("arguments") for item in items[2:]] == ['{"a": 1}', "{}"]
    assert [item.get("call_id") for item in items[2:]] == ["c1", "c2"]
    assert [event["item"] for event in told if event["type"] == "response.output_item.done"] == items
    assert len({item["id"] for item in items}) == 4
    deltas = [event["delta"] for event in told if event["type"] == "response.function_call_arguments.delta"]
    assert deltas == ['{"a"', ": 1}", "{}"]


def test_a_cut_by_length_is_incomplete_and_a_refusal_is_one() -> None:
    told = stream(chunk(content="He"), chunk("length"))
    assert told[-1]["type"] == "response.incomplete"
    assert told[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    told = stream(chunk(refusal="No."), chunk("stop"))
    assert told[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_a_stream_that_breaks_ends_with_a_failed_response() -> None:
    writer = EventWriter(ASKED.echo, ASKED.names)
    written = writer.chunk(chunk(content="He")) + writer.fail({"message": "cut off", "code": "all_models_failed"})
    last = events_of(written)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"] == {"code": "server_error", "message": "cut off"}
    assert last["response"]["output"][0]["status"] == "incomplete"


def test_a_whole_answer_is_the_response_that_its_stream_ends_with() -> None:
    function = {"name": "f", "arguments": "{}"}
    calls = [{"id": "c1", "type": "function", "function": function}]
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "tool_calls": calls}
    fields = {"id": "chatcmpl-req_1", "created": 5, "model": "p/m", "usage": USAGE, "dari_routing": {}}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    told = json.loads(response(read_completion(json.dumps(fields | {"choices": choices}).encode()), ASKED.echo))
    whole = Response.model_validate(told)
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call"]
    assert (whole.output_text, whole.tools[0].type, told["store"]) == ("Hi", "function", False)
