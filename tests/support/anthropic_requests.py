"""Requests to Anthropic's Messages API, checked by the official client's types."""

import json
from typing import Any

import msgspec
from anthropic.types import MessageCreateParams
from pydantic import TypeAdapter

from gateway.providers.anthropic.requests import translate

PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)


HI = [{"role": "user", "content": "Hi"}]


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


CALLED = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": "{}"}}]}
