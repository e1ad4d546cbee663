"""Translates Anthropic's messages and stream events to OpenAI's completions and chunks, without thinking."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from bandit.price import Tokens
from bandit.types import Json
from gateway.providers.anthropic.requests import PLAIN, Form
from gateway.providers.anthropic.stops import StopCutter
from gateway.providers.upstream.caller import raise_told_error
from gateway.providers.upstream.error_bodies import read_error
from gateway.providers.upstream.faults import empty, malformed, refused, says_by_itself
from gateway.providers.upstream.json_repair import decode
from gateway.providers.upstream.provider import Answer, Chunk, ProviderError, Usage
from gateway.providers.upstream.template import Template
from gateway.providers.upstream.usage import read_usage

Delta: TypeAlias = dict[str, Json]

_encode = msgspec.json.encode
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    content: list[_Block]
    stop_reason: str | None = None
    usage: object = None  # what it costs must not cost the answer
    id: str = ""


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: object = None
    error: dict[str, Any] | None = None


_MESSAGE = msgspec.json.Decoder(_Message)
_EVENT = msgspec.json.Decoder(_Event)


def read_message(body: bytes, form: Form = PLAIN, secrets: tuple[str, ...] = ()) -> Answer:
    """Translate a plain answer. Raises ProviderError."""
    try:
        message = decode(_MESSAGE, body)
    except (msgspec.DecodeError, RecursionError):
        raise_told_error(body, secrets)
        raise malformed("not a message in JSON" if body else "an empty body") from None
    calls = [block for block in message.content if block.type == "tool_use"]
    text = "".join(block.text for block in message.content if block.type == "text")
    finish = _finish(message.stop_reason, form)
    if form.json_tool and calls:
        text, calls = bytes(calls[0].input).decode(), []
    cutter = StopCutter(form.stops)
    text = cutter.feed(text) + cutter.flush()
    if cutter.stopped:
        finish, calls = "stop", []
    said: dict[str, Json] = {"role": "assistant", "content": text if text or not calls else None}
    if calls and form.legacy:
        said["function_call"] = _function(calls[0], bytes(calls[0].input).decode())
    elif calls:
        said["tool_calls"] = [_call(block, bytes(block.input).decode()) for block in calls]
    usage = read_usage(message.usage) if message.usage is not None else None
    thinks = any(block.type in _THOUGHTS for block in message.content)
    if not (text or calls or thinks or cutter.stopped or _says(message.stop_reason, finish)):
        raise empty(usage)
    fields = {
        "id": msgspec.Raw(_encode(message.id)),
        "choices": msgspec.Raw(_encode([{"index": 0, "message": said, "finish_reason": finish}])),
    }
    if usage is not None and usage.tokens is not None:
        fields["usage"] = _openai_usage(usage.tokens)
    size = len(text.encode()) + sum(len(call.name) + len(call.input) for call in calls)
    return Answer(fields, usage, finish, size, text if text or not calls else None)


class EventReader:
    """Translates the events of one stream."""

    def __init__(self, form: Form = PLAIN, secrets: tuple[str, ...] = ()) -> None:
        self._form = form
        self._cutter = StopCutter(form.stops)
        self._secrets = secrets
        self._tools: dict[int, int] = {}  # a tool block's index → its place among the calls
        self._silent: set[int] = set()  # tool blocks that have no input yet
        self._used: dict[str, Any] = {}
        self.template: Template | None = None  # their texts stand in events of another form
        self.alive = self.finished = self.complete = self.ended = False

    def read(self, event: bytes) -> Chunk | None:
        """Translate one event. Raises ProviderError for an error event, or one that is malformed."""
        try:
            read = decode(_EVENT, event)
        except (msgspec.DecodeError, RecursionError):
            raise malformed("an event of the stream makes no sense") from None
        chunk = self._translate(read)
        if chunk is not None:
            self.alive = self.alive or chunk.lives
        return chunk

    def _translate(self, event: _Event) -> Chunk | None:
        match event.type:
            case "message_start" if event.message is not None:
                chunk = _chunk({"role": "assistant", "content": ""}, says=False)
                chunk.usage = self._use(event.message.usage)
                return chunk
            case "content_block_start" if event.content_block is not None:
                return self._begin(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None:
                return self._go_on(event.index, event.delta)
            case "content_block_stop" if event.index in self._silent:
                self._silent.discard(event.index)
                return self._arguments(event.index, "{}")
            case "content_block_stop" if held := self._cutter.flush():
                return _content(held)
            case "message_delta":
                return self._end(event)
            case "message_stop":
                self.ended = True
            case "error":
                raise self._told(event.error or {})
        return None

    def _begin(self, index: int, block: _Block) -> Chunk | None:
        if block.type == "text" and block.text:
            return self._said(block.text)
        if block.type == "text":
            return None
        if block.type != "tool_use":
            return Chunk({}, says=False, thinks=True)  # thinking, or what a newer API does before it answers
        self._tools[index] = len(self._tools)
        given = bytes(block.input).decode()
        if given in {"{}", "null"}:
            self._silent.add(index)
            given = ""
        if self._form.json_tool:
            return _content(given) if given else None
        size = len(block.name) + len(given)
        if self._form.legacy:
            return _chunk({"function_call": _function(block, given)}, says=True, size=size)
        call: Json = {"index": self._tools[index], **_call(block, given)}
        return _chunk({"tool_calls": [call]}, says=True, size=size)

    def _go_on(self, index: int, delta: _Delta) -> Chunk | None:
        if delta.type == "text_delta" and delta.text:
            return self._said(delta.text)
        if delta.type == "input_json_delta" and delta.partial_json and index in self._tools:
            self._silent.discard(index)
            return self._arguments(index, delta.partial_json)
        if delta.type in {"text_delta", "input_json_delta"}:
            return None
        # Thinking is billed, but not passed on. Newer models send it without its text: a sign of life only.
        return Chunk({}, says=False, thinks=True, text_bytes=len(delta.thinking.encode()))

    def _said(self, text: str) -> Chunk | None:
        """Pass on a piece of text, up to a stop sequence that is applied here: it ends the stream."""
        text = self._cutter.feed(text)
        if not self._cutter.stopped:
            return _content(text) if text else None
        self.finished = self.complete = self.ended = True
        return _content(text, finish="stop")  # without usage, which the provider reports only at the end

    def _arguments(self, index: int, json: str) -> Chunk:
        if self._form.json_tool:
            return _content(json)
        if self._form.legacy:
            return _chunk({"function_call": {"arguments": json}}, says=True, size=len(json.encode()))
        call: Json = {"index": self._tools[index], "function": {"arguments": json}}
        return _chunk({"tool_calls": [call]}, says=True, size=len(json.encode()))

    def _end(self, event: _Event) -> Chunk:
        usage = self._use(event.usage)
        reason = event.delta.stop_reason if event.delta else None
        if reason is None:
            return Chunk({}, says=False, usage=usage)
        self.finished = self.complete = True
        finish = _finish(reason, self._form)
        # A finish after nothing is no answer: another model is asked.
        chunk = _chunk({}, says=self.alive or _says(reason, finish), finish=finish)
        chunk.usage = usage
        if usage is not None and usage.tokens is not None:
            chunk.fields["usage"] = _openai_usage(usage.tokens)
        return chunk

    def _use(self, usage: object) -> Usage | None:
        """Merge counts: they are cumulative, and an event may leave some out, so the last value of each name counts."""
        told = usage if isinstance(usage, dict) else {}
        self._used |= {name: said for name, said in told.items() if said is not None}
        return read_usage(self._used) if self._used else None

    def _told(self, error: Mapping[str, Any]) -> ProviderError:
        status = _STATUSES.get(str(error.get("type")), 500)
        return refused(read_error({"code": status, **error}, self._secrets))


def _finish(reason: str | None, form: Form) -> str | None:
    finish = _FINISHES.get(reason or "", reason)
    if finish != "tool_calls":
        return finish
    return "stop" if form.json_tool else "function_call" if form.legacy else finish


def _says(reason: str | None, finish: str | None) -> bool:
    """Whether such an end says something though nothing stands before it."""
    return reason == "stop_sequence" or says_by_itself(finish)


def _call(block: _Block, arguments: str) -> dict[str, Json]:
    return {"id": block.id, "type": "function", "function": _function(block, arguments)}


def _function(block: _Block, arguments: str) -> dict[str, Json]:
    return {"name": block.name, "arguments": arguments}


def _content(text: str, finish: str | None = None) -> Chunk:
    return _chunk({"content": text}, says=True, finish=finish, size=len(text.encode()), text=text)


def _chunk(delta: Delta, *, says: bool, finish: str | None = None, size: int = 0, text: str = "") -> Chunk:
    choices: Json = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return Chunk(
        {"choices": msgspec.Raw(_encode(choices))}, says=says, finish_reason=finish, text_bytes=size, text=text
    )


def _openai_usage(tokens: Tokens) -> msgspec.Raw:
    """Usage in OpenAI's form: tokens read from and written to the cache are part of the prompt's."""
    usage: dict[str, Json] = {
        "prompt_tokens": tokens.prompt_tokens,
        "completion_tokens": tokens.completion_tokens,
        "total_tokens": tokens.prompt_tokens + tokens.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached_tokens,
            "cache_write_tokens": tokens.cache_write_tokens,
        },
    }
    if tokens.reasoning_tokens:
        usage["completion_tokens_details"] = {"reasoning_tokens": tokens.reasoning_tokens}
    return msgspec.Raw(_encode(usage))
