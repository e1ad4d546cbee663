"""Translates a Responses request into a chat completion's body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.completions.json_object import parse_json_object
from gateway.completions.plain import MOST_TOKENS
from gateway.completions.request import explain_validation
from gateway.errors import BadRequest
from gateway.responses.items import Message, messages_of
from gateway.responses.tool_names import ToolNames, chat_name

_STATELESS = "nothing is stored here: send the whole conversation as `input`"
_REFUSED: Mapping[str, str] = {
    "previous_response_id": _STATELESS,
    "conversation": _STATELESS,
    "background": "answers are given at once or as a stream",
    "prompt": "stored prompts are not served here: send `instructions` and `input`",
}
"""Fields that change what is answered and can't be honoured, with what to do instead; null and false are as absent."""

_DROPPED = frozenset(
    {*_REFUSED, "client_metadata", "input", "instructions", "include", "max_tool_calls", "truncation", "store", "text"}
)
_OWN = frozenset({"max_output_tokens", "tools", "tool_choice", "reasoning", "stream_options", "top_logprobs"})


class _Format(msgspec.Struct, omit_defaults=True):
    type: str
    name: str | None = None
    schema: Any = None
    strict: bool | None = None
    description: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _Known(msgspec.Struct):
    """The fields that are translated, with their types checked."""

    input: Any = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    stream: bool | None = None
    store: bool | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    truncation: str | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None


_KNOWN = msgspec.json.Decoder(_Known)


@dataclass(frozen=True, slots=True)
class Asked:
    """A Responses request: the chat completion for it, what its response repeats, and its tools in namespaces."""

    chat: bytes
    stream: bool
    echo: Mapping[str, Any]
    names: ToolNames


def read_request(body: bytes) -> Asked:
    """Translate a request. Raises BadRequest and its subclasses, which name the field of the Responses API."""
    fields = parse_json_object(body)
    try:
        known = _KNOWN.decode(body)
    except msgspec.ValidationError as error:
        raise explain_validation(error) from None
    for name, instead in _REFUSED.items():
        if name in fields and bytes(fields[name]) not in {b"null", b"false"}:
            raise BadRequest(f"`{name}` is not served here; {instead}", param=name)
    if known.store:
        raise BadRequest(f"`store: true` is not served here; {_STATELESS}", param="store")
    if known.truncation not in {None, "disabled", "auto"}:
        raise BadRequest('`truncation` must be "disabled" or "auto"', param="truncation")
    chat: dict[str, Any] = {
        key: raw for key, raw in fields.items() if key not in _DROPPED | _OWN and bytes(raw) != b"null"
    }
    chat["messages"] = messages_of(known.instructions, known.input)
    chat |= _translated(known)
    if known.stream:
        chat["stream_options"] = {"include_usage": True}
    names = {
        chat_name(space["name"], tool["name"]): (space["name"], tool["name"])
        for space in known.tools or ()
        if space.get("type") == "namespace"
        for tool in space["tools"]
    }
    return Asked(msgspec.json.encode(chat), bool(known.stream), _echo(known, fields), names)


def _translated(known: _Known) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    if known.max_output_tokens is not None:
        if not 1 <= known.max_output_tokens <= MOST_TOKENS:
            raise BadRequest(f"`max_output_tokens` must be from 1 to {MOST_TOKENS:,}", param="max_output_tokens")
        chat["max_completion_tokens"] = known.max_output_tokens
    if known.tools:
        chat["tools"] = [
            each for position, tool in enumerate(known.tools) for each in _tools(tool, f"tools[{position}]")
        ]
    if known.tool_choice is not None and known.tools:
        chat["tool_choice"] = _tool_choice(known.tool_choice)
    if known.reasoning and known.reasoning.effort:
        chat["reasoning_effort"] = known.reasoning.effort
    if known.text and known.text.verbosity:
        chat["verbosity"] = known.text.verbosity
    if known.text and known.text.format and known.text.format.type != "text":
        chat["response_format"] = _response_format(known.text.format)
    if known.top_logprobs and "message.output_text.logprobs" in (known.include or ()):
        chat |= {"logprobs": True, "top_logprobs": known.top_logprobs}
    return chat


def _tools(tool: Mapping[str, Any], where: str) -> list[Message]:
    """One tool, or those of a namespace."""
    if tool.get("type") != "namespace":
        return [_tool(tool, where)]
    space, tools = tool.get("name"), tool.get("tools")
    if not isinstance(space, str) or not isinstance(tools, list):
        raise BadRequest(f"`{where}`: a namespace needs `name` and a list of `tools`", param=where)
    members: list[Message] = []
    for position, member in enumerate(tools):
        inner = f"{where}.tools[{position}]"
        if not isinstance(member, dict) or not isinstance(member.get("name"), str):
            raise BadRequest(f"`{inner}` must be a tool with a `name`", param=inner)
        members.append(_tool({**member, "name": chat_name(space, member["name"])}, inner))
    return members


def _tool(tool: Mapping[str, Any], where: str) -> Message:
    kind = tool.get("type")
    if kind == "function":
        keys: tuple[str, ...] = ("name", "description", "parameters", "strict")
        return {"type": "function", "function": {key: tool[key] for key in keys if tool.get(key) is not None}}
    if kind == "custom":
        return {
            "type": "custom",
            "custom": {key: tool[key] for key in ("name", "description", "format") if key in tool},
        }
    raise BadRequest(
        f"`{where}.type`: the built-in tool {kind!r} is not served here, only tools of the type `function`",
        param=f"{where}.type",
    )


def _tool_choice(choice: str | Mapping[str, Any]) -> object:
    if isinstance(choice, str):
        return choice
    kind, name = choice.get("type"), choice.get("name")
    if kind in {"function", "custom"} and isinstance(name, str):
        return {"type": kind, kind: {"name": chat_name(choice.get("namespace"), name)}}
    if kind == "allowed_tools" and isinstance(choice.get("tools"), list):
        tools = [_tool_choice(tool) for tool in choice["tools"] if isinstance(tool, dict)]
        return {"type": kind, "allowed_tools": {"mode": choice.get("mode", "auto"), "tools": tools}}
    raise BadRequest(f"`tool_choice` of the type {kind!r} is not served here", param="tool_choice")


def _response_format(wanted: _Format) -> Message:
    if wanted.type != "json_schema":
        return {"type": wanted.type}
    if wanted.name is None or wanted.schema is None:
        raise BadRequest("`text.format` of the type json_schema needs `name` and `schema`", param="text.format")
    described = {"description": wanted.description, "strict": wanted.strict}
    schema = {"name": wanted.name, "schema": wanted.schema}
    return {"type": "json_schema", "json_schema": schema | {k: v for k, v in described.items() if v is not None}}


def _echo(known: _Known, fields: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """The fields of its request that a response repeats, with the API's defaults."""
    null = msgspec.Raw(b"null")
    return {
        "instructions": known.instructions,
        "max_output_tokens": known.max_output_tokens,
        "metadata": fields.get("metadata", msgspec.Raw(b"{}")),
        "parallel_tool_calls": fields.get("parallel_tool_calls", msgspec.Raw(b"true")),
        "previous_response_id": None,
        "reasoning": {"effort": known.reasoning.effort if known.reasoning else None, "summary": None},
        "store": False,
        "temperature": fields.get("temperature", null),
        "text": {"format": known.text.format if known.text and known.text.format else {"type": "text"}},
        "tool_choice": known.tool_choice or "auto",
        "tools": known.tools or [],
        "top_p": fields.get("top_p", null),
        "truncation": known.truncation or "disabled",
    }
