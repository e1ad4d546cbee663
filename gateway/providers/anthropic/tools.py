"""Translates OpenAI's tools, and the older functions, to Anthropic's tools."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from gateway.providers.anthropic.json_schema import narrowed
from gateway.providers.anthropic.models import Generation
from gateway.providers.anthropic.refusals import incapable, no_counterpart

Body: TypeAlias = dict[str, Any]
_COMBINATORS = ("anyOf", "oneOf", "allOf")


def set_tools(body: Body, given: Mapping[str, Any], generation: Generation) -> None:
    """Set the tools and the tool choice in a request's body. Raises ProviderError."""
    tools = [_tool(tool, generation) for tool in given.get("tools", [])]
    tools += [_tool({"function": function}, generation) for function in given.get("functions", [])]
    choice = _tool_choice(given.get("tool_choice", given.get("function_call", "auto")))
    if not tools:
        # The API refuses a conversation with tool calls in it if no tools are declared.
        tools = [{"name": name, "input_schema": {"type": "object"}} for name in _called(body["messages"])]
        choice = {"type": "none"}
    if not tools:
        return
    if is_forced(choice) and not generation.forced_tools:
        raise incapable("this model can't be made to call a tool", "tool_choice")
    if (given.get("parallel_tool_calls") is False or "functions" in given) and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    body["tools"] = tools
    if choice != {"type": "auto"}:
        body["tool_choice"] = choice


def is_forced(choice: Mapping[str, Any] | None) -> bool:
    """Whether a choice demands a call."""
    return choice is not None and choice["type"] in {"any", "tool"}


def input_schema(schema: Mapping[str, Any]) -> Body:
    """Schema of a tool's input: its type must be "object", and top-level combinators move into the description."""
    found = {**schema, "type": "object"}
    told = {name: found.pop(name) for name in _COMBINATORS if name in found}
    if told:
        said = msgspec.json.encode(told).decode()
        found["description"] = f"{found['description']}\n\n{said}" if found.get("description") else said
    return found


def _tool(tool: Mapping[str, Any], generation: Generation) -> Body:
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise no_counterpart(f"tools of the type {str(tool.get('type'))[:40]!r}", "tools")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    translated = {"name": function.get("name"), "input_schema": input_schema(schema)}
    if function.get("description"):
        translated["description"] = function["description"]
    if function.get("strict") and generation.structured and (strict := narrowed(schema)):
        translated |= {"input_schema": strict, "strict": True}
    for place in (function, tool):
        if "cache_control" in place:
            translated["cache_control"] = place["cache_control"]
    return translated


def _tool_choice(choice: object) -> Body:
    match choice:
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": name}}:
            return {"type": "tool", "name": name}
        case {"name": name}:
            return {"type": "tool", "name": name}
    raise no_counterpart("`tool_choice` as it was given", "tool_choice")


def _called(messages: Sequence[Body]) -> list[str]:
    blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    return sorted({block["name"] for block in blocks if block["type"] == "tool_use"})
