"""Translates a chat completion into a response object."""

from collections.abc import Mapping
from typing import Any

import msgspec

Items = list[dict[str, Any]]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    namespace: str | None = None  # of the request's tool: no chat completion has it


class _Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None
    namespace: str | None = None


class ToolCall(msgspec.Struct):
    """A tool call, or in a stream a part of one."""

    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None

    @property
    def text(self) -> str:
        """The arguments, or a custom tool's input."""
        return (self.custom.input if self.custom else self.function.arguments if self.function else None) or ""

    def with_text(self, text: str) -> "ToolCall":
        """The same call with these arguments."""
        if self.custom:
            return ToolCall(self.index, self.id, None, _Custom(self.custom.name, text, self.custom.namespace))
        known = self.function or _Function()
        return ToolCall(self.index, self.id, _Function(known.name, text, known.namespace))


class Spoken(msgspec.Struct):
    """A message, or in a stream a delta of one."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def thought(self) -> str | None:
        """The reasoning, in either spelling."""
        return self.reasoning_content or self.reasoning


class Choice(msgspec.Struct):
    """A choice of a completion or of a chunk."""

    index: int = 0
    message: Spoken | None = None
    delta: Spoken | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class Completion(msgspec.Struct):
    """The fields of a completion or chunk that are translated."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: dict[str, Any] | None = None
    dari_routing: msgspec.Raw = msgspec.Raw(b"null")


_COMPLETION = msgspec.json.Decoder(Completion)


def read_completion(body: bytes) -> Completion:
    """Parse a completion or chunk of ours. Raises msgspec.ValidationError."""
    return _COMPLETION.decode(body)


def response_id(completion_id: str) -> str:
    """`resp_req_…` of `chatcmpl-req_…`."""
    return "resp_" + completion_id.removeprefix("chatcmpl-")


def response(completion: Completion, echo: Mapping[str, Any]) -> bytes:
    """The response to a plain completion."""
    choice = completion.choices[0] if completion.choices else Choice()
    items = output_items(completion.id, choice.message or Spoken())
    status, details = ending(choice.finish_reason)
    return msgspec.json.encode(
        response_object(completion, echo, status=status, items=items, details=details, usage=completion.usage)
    )


def response_object(
    first: Completion,
    echo: Mapping[str, Any],
    *,
    status: str,
    items: Items,
    details: Mapping[str, str] | None = None,
    usage: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A response in the API's shape, with `dari_routing` added."""
    return {
        "id": response_id(first.id),
        "object": "response",
        "created_at": first.created,
        "status": status,
        "error": error,
        "incomplete_details": details,
        "model": first.model,
        "output": items,
        "usage": None if usage is None else usage_of(usage),
        "dari_routing": first.dari_routing,
        **echo,
    }


def output_items(completion_id: str, message: Spoken) -> Items:
    """The reasoning, message and calls of an answer, in this order."""
    items: Items = []
    stem = completion_id.removeprefix("chatcmpl-")
    if message.thought:
        items.append(reasoning_item(f"rs_{stem}", message.thought))
    if message.content or message.refusal or not message.tool_calls:
        items.append(message_item(f"msg_{stem}", message.content, message.refusal))
    for number, call in enumerate(message.tool_calls or []):
        items.append(call_item(f"fc_{stem}_{number}", call, call.id or f"call_{number}"))
    return items


def reasoning_item(item_id: str, text: str, status: str = "completed") -> dict[str, Any]:
    """The model's reasoning, if it reports any."""
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"type": "reasoning", "id": item_id, "summary": [], "content": content, "status": status}


def message_item(item_id: str, text: str | None, refusal: str | None, status: str = "completed") -> dict[str, Any]:
    """The model's message."""
    content: Items = []
    if text is not None and (text or not refusal):
        content.append(text_part(text))
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content}


def text_part(text: str) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(item_id: str, call: ToolCall, call_id: str, status: str = "completed") -> dict[str, Any]:
    """A call of a function or of a custom tool."""
    called = call.custom or call.function or _Function()
    kind, text = ("custom_tool_call", "input") if call.custom else ("function_call", "arguments")
    said: dict[str, Any] = {"type": kind, "name": called.name or "", text: call.text}
    if called.namespace is not None:
        said["namespace"] = called.namespace
    return said | {"id": item_id, "call_id": call_id, "status": status}


def ending(finish_reason: str | None) -> tuple[str, dict[str, str] | None]:
    """The response's status, and the reason if it is incomplete."""
    if finish_reason == "length":
        return "incomplete", {"reason": "max_output_tokens"}
    if finish_reason == "content_filter":
        return "incomplete", {"reason": "content_filter"}
    return "completed", None


def usage_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The usage under the API's names; the gateway's own fields, such as `cost_usd`, are kept."""
    prompt, completion = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    details = usage.get("prompt_tokens_details")
    reasoning = usage.get("completion_tokens_details")
    details = details if isinstance(details, dict) else {}
    cached, cache_writes = details.get("cached_tokens"), details.get("cache_write_tokens")
    thought = reasoning.get("reasoning_tokens") if isinstance(reasoning, dict) else None
    told = {key: usage[key] for key in ("cost_usd",) if key in usage}
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": int(cached or 0), "cache_write_tokens": int(cache_writes or 0)},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": int(thought or 0)},
        "total_tokens": prompt + completion,
        **told,
    }
