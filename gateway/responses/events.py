"""Translates a chat completion's chunks into the events of a streamed response."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.responses.answers import (
    Completion,
    Spoken,
    ToolCall,
    call_item,
    ending,
    message_item,
    read_completion,
    reasoning_item,
    response_object,
    text_part,
)
from gateway.responses.tool_names import ToolNames, restore_names


class _Open:
    """The output item that is being streamed; `text` is what it consists of so far."""

    def __init__(self, kind: str, item_id: str, index: int) -> None:
        self.kind = kind  # reasoning, text, refusal or call
        self.item_id = item_id
        self.index = index
        self.text: list[str] = []
        self.call = ToolCall()
        self.call_id = ""

    def item(self, status: str) -> dict[str, Any]:
        """The item with its text so far."""
        text = "".join(self.text)
        if self.kind == "reasoning":
            return reasoning_item(self.item_id, text, status)
        if self.kind == "text":
            return message_item(self.item_id, text, None, status)
        if self.kind == "refusal":
            return message_item(self.item_id, None, text, status)
        return call_item(self.item_id, self.call.with_text(text), self.call_id, status)


_DELTAS: Mapping[str, str] = {
    "reasoning": "response.reasoning_text",
    "text": "response.output_text",
    "refusal": "response.refusal",
}


class EventWriter:
    """Translates a stream's chunks into numbered events. `echo` are the request's fields that a response repeats."""

    def __init__(self, echo: Mapping[str, Any], names: ToolNames) -> None:
        self._echo = echo
        self._names = names
        self._number = 0
        self._first: Completion | None = None
        self._usage: Mapping[str, Any] | None = None
        self._finish_reason: str | None = None
        self._done: list[dict[str, Any]] = []
        self._open: _Open | None = None

    def chunk(self, data: bytes) -> bytes:
        """The events of one chunk. Raises msgspec.ValidationError."""
        chunk = read_completion(data)
        restore_names(chunk, self._names)
        written = b""
        if self._first is None:
            self._first = chunk
            written = self._state("response.created", "in_progress") + self._state(
                "response.in_progress", "in_progress"
            )
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            written += self._delta(choice.delta or Spoken())
        return written

    def end(self) -> bytes:
        """The events that close the open item and the response."""
        written = self._close()
        status, details = ending(self._finish_reason)
        return written + self._state(f"response.{status}", status, details=details)

    def fail(self, error: Mapping[str, Any]) -> bytes:
        """The events of a stream that was cut off: the open item stays incomplete, and the response has failed."""
        written = self._close("incomplete")
        code = "rate_limit_exceeded" if error.get("code") == "rate_limited" else "server_error"  # the API's own codes
        told = {"code": code, "message": error.get("message") or ""}
        return written + self._state("response.failed", "failed", error=told)

    def _delta(self, said: Spoken) -> bytes:
        written = b""
        for kind, text in (("reasoning", said.thought), ("text", said.content), ("refusal", said.refusal)):
            if text:
                written += self._say(kind, text)
        for call in said.tool_calls or []:
            written += self._call(call)
        return written

    def _say(self, kind: str, text: str) -> bytes:
        written = b""
        if self._open is None or self._open.kind != kind:
            prefix = "rs" if kind == "reasoning" else "msg"
            written = self._close() + self._begin(_Open(kind, self._item_id(prefix), len(self._done)))
        assert self._open is not None  # noqa: S101 - begun above
        self._open.text.append(text)
        extra: dict[str, Any] = {"logprobs": []} if kind == "text" else {}
        return written + self._part_event(f"{_DELTAS[kind]}.delta", delta=text, **extra)

    def _call(self, call: ToolCall) -> bytes:
        """Add a part of a tool call; a new index begins another call."""
        written, text = b"", call.text
        known = self._open
        if known is None or known.kind != "call" or (call.index is not None and call.index != known.call.index):
            written = self._close()
            known = _Open("call", self._item_id("fc"), len(self._done))
            known.call, known.call_id = call, call.id or f"call_{len(self._done)}"
            written += self._begin(known)
        if text:
            known.text.append(text)
            name = "custom_tool_call_input" if known.call.custom else "function_call_arguments"
            where = {"item_id": known.item_id, "output_index": known.index}
            written += self._event(f"response.{name}.delta", **where, delta=text)
        return written

    def _begin(self, item: _Open) -> bytes:
        self._open = item
        shown = item.item("in_progress")
        if item.kind in {"text", "refusal"}:
            shown["content"] = []
        written = self._event("response.output_item.added", output_index=item.index, item=shown)
        if item.kind in {"text", "refusal"}:
            part = text_part("") if item.kind == "text" else {"type": "refusal", "refusal": ""}
            written += self._part_event("response.content_part.added", part=part)
        return written

    def _close(self, status: str = "completed") -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        text, shown = "".join(item.text), item.item(status)
        where = {"item_id": item.item_id, "output_index": item.index}
        written = b""
        if item.kind == "call":
            if item.call.custom:
                written += self._event("response.custom_tool_call_input.done", **where, input=text)
            else:
                name = shown["name"]
                written += self._event("response.function_call_arguments.done", **where, name=name, arguments=text)
        elif item.kind == "reasoning":
            written += self._event("response.reasoning_text.done", **where, content_index=0, text=text)
        else:
            said = {"text": text, "logprobs": []} if item.kind == "text" else {"refusal": text}
            written += self._event(f"{_DELTAS[item.kind]}.done", **where, content_index=0, **said)
            part = shown["content"][0] if shown["content"] else text_part("")
            written += self._event("response.content_part.done", **where, content_index=0, part=part)
        self._done.append(shown)
        return written + self._event("response.output_item.done", output_index=item.index, item=shown)

    def _part_event(self, name: str, **fields: Any) -> bytes:
        assert self._open is not None  # noqa: S101 - parts belong to the open item
        where = {"item_id": self._open.item_id, "output_index": self._open.index, "content_index": 0}
        return self._event(name, **where, **fields)

    def _state(self, name: str, status: str, **more: Any) -> bytes:
        if self._first is None:
            return b""
        usage = self._usage if status in {"completed", "incomplete"} else None
        shown = response_object(self._first, self._echo, status=status, items=self._done, usage=usage, **more)
        return self._event(name, response=shown)

    def _item_id(self, prefix: str) -> str:
        stem = self._first.id.removeprefix("chatcmpl-") if self._first else ""
        return f"{prefix}_{stem}_{len(self._done)}"

    def _event(self, event: str, /, **fields: Any) -> bytes:
        body = {"type": event, "sequence_number": self._number, **fields}
        self._number += 1
        return b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"
