"""Messages and stream events in the shapes of Anthropic's public documentation, checked by the official types."""

import json
from typing import Any

import msgspec
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from gateway.providers.anthropic.requests import PLAIN, Form
from gateway.providers.anthropic.responses import EventReader
from gateway.providers.upstream.provider import Chunk

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


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
