"""An OpenAI chat completion request as a request to Anthropic's Messages API.

What has no counterpart there is not sent wrongly: `ProviderError` with the ending INCAPABLE, and another model's turn.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from bandit.types import Ending
from gateway.providers.anthropic.json_schema import narrowed
from gateway.providers.anthropic.messages import Block, split_system, translate_messages
from gateway.providers.upstream.provider import ProviderError

Body: TypeAlias = dict[str, Any]

DEFAULT_MAX_TOKENS = 16_384
"""Anthropic wants a limit; thinking counts toward it, so a small one would cut answers off. Used where neither the
request nor the model's declaration says one."""
JSON_TOOL = "answer"
_JSON_ONLY = "Answer with one JSON object and nothing else: no prose, no Markdown."

_TRANSLATED = frozenset(
    {
        *(
            "messages",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "stop",
            "stream",
            "stream_options",
        ),
        *("tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "user"),
        "safety_identifier",
    }
)
_HINTS = frozenset({"metadata", "prompt_cache_key", "prompt_cache_retention", "verbosity"})
"""What changes nothing in the answer that was asked for, and is left out."""
_NEUTRAL: Mapping[str, Sequence[object]] = {
    "n": (1,),
    "logprobs": (False,),
    "store": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
}
"""Values that say what would happen anyway; any other value is one that this API has no word for."""
KNOWN = _TRANSLATED | _HINTS | _NEUTRAL.keys()

_EFFORT = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_SAMPLING = re.compile(r"claude-(?:[23]\b|instant|haiku-(?:3|4-5)|(?:opus|sonnet)-(?:3|4(?:-[0-6])?)(?:$|-\d{8}|@|:))")
"""The models that still take a temperature; newer ones refuse requests that hold one."""


def translate(model: str, fields: Mapping[str, msgspec.Raw], output_limit: int | None = None) -> tuple[Body, bool]:
    """The request's body, and whether the answer's JSON will come as the input of `JSON_TOOL`.

    `output_limit` is how many tokens the model can answer with. Raises ProviderError.
    """
    try:
        return _translate(model, fields, output_limit or DEFAULT_MAX_TOKENS)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Only what is read by name was checked; further inside, a caller may have sent anything.
        raise incapable("the request has a part of a shape that can't be translated", None) from error


def _translate(model: str, fields: Mapping[str, msgspec.Raw], most_tokens: int) -> tuple[Body, bool]:
    values = {name: msgspec.json.decode(raw) for name, raw in fields.items() if name != "model"}
    given = {name: value for name, value in values.items() if value is not None}
    _refuse_unknown(given)
    system, conversation = split_system(given.get("messages", []))
    body: Body = {
        "model": model,
        "max_tokens": given.get("max_completion_tokens") or given.get("max_tokens") or most_tokens,
        "messages": translate_messages(conversation),
    }
    _set_tools(body, given)
    json_tool = _set_format(body, given.get("response_format"), system)
    if not body["messages"]:
        body["messages"], system = [{"role": "user", "content": system or [_text("…")]}], []
    if system:
        body["system"] = system
    if stop := [word for word in _listed(given.get("stop")) if word.strip()]:
        body["stop_sequences"] = stop
    if _SAMPLING.search(model):
        _set_sampling(body, given)
    if effort := _EFFORT.get(given.get("reasoning_effort", "")):
        body.setdefault("output_config", {})["effort"] = effort
    if user := given.get("safety_identifier") or given.get("user"):
        body["metadata"] = {"user_id": user}
    return body, json_tool


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in KNOWN or (name in _NEUTRAL and value not in _NEUTRAL[name]):
            raise incapable(f"this kind of provider has no counterpart of `{name}` as it was given", name)


def _set_sampling(body: Body, given: Mapping[str, Any]) -> None:
    """The temperature, which ends at 1 here, or else `top_p`: newer models refuse both at once."""
    if "temperature" in given:
        body["temperature"] = min(given["temperature"], 1.0)
    elif "top_p" in given:
        body["top_p"] = given["top_p"]


def _set_tools(body: Body, given: Mapping[str, Any]) -> None:
    tools = [_tool(tool) for tool in given.get("tools", [])]
    choice = _tool_choice(given.get("tool_choice", "auto"))
    if not tools:
        # A conversation with tool calls in it is refused where no tools are declared.
        tools = [{"name": name, "input_schema": {"type": "object"}} for name in _called(body["messages"])]
        choice = {"type": "none"}
    if not tools:
        return
    if given.get("parallel_tool_calls") is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    body["tools"] = tools
    if choice != {"type": "auto"}:
        body["tool_choice"] = choice


def _tool(tool: Mapping[str, Any]) -> Body:
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise incapable(f"this kind of provider has no tools of type {str(tool.get('type'))[:40]!r}", "tools")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    translated = {"name": function.get("name"), "input_schema": {"type": "object", **schema}}
    if function.get("description"):
        translated["description"] = function["description"]
    if function.get("strict") and (strict := narrowed(schema)):
        translated |= {"input_schema": strict, "strict": True}
    if "cache_control" in tool:
        translated["cache_control"] = tool["cache_control"]
    return translated


def _tool_choice(choice: object) -> Body:
    match choice:
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": name}}:
            return {"type": "tool", "name": name}
    raise incapable("this kind of provider has no counterpart of `tool_choice` as it was given", "tool_choice")


def _called(messages: Sequence[Body]) -> list[str]:
    blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    return sorted({block["name"] for block in blocks if block["type"] == "tool_use"})


def _set_format(body: Body, asked: Mapping[str, Any] | None, system: list[Block]) -> bool:
    """Ask for JSON: by the provider's own schemas where these can say it, else through a tool that must be called."""
    kind = (asked or {}).get("type", "text")
    if kind == "text":
        return False
    if kind == "json_object":
        system.append(_text(_JSON_ONLY))
        return False
    wanted = (asked or {}).get("json_schema")
    if kind != "json_schema" or not isinstance(wanted, dict) or not isinstance(wanted.get("schema", {}), dict):
        raise incapable(
            "this kind of provider has no counterpart of `response_format` as it was given", "response_format"
        )
    schema = wanted.get("schema", {})
    if native := narrowed(schema):
        body["output_config"] = {"format": {"type": "json_schema", "schema": native}}
        return False
    if "tools" in body or schema.get("type", "object") != "object":
        raise incapable("this JSON schema can't be expressed for this kind of provider", "response_format")
    tool = {"name": JSON_TOOL, "input_schema": {"type": "object", **schema}}
    tool["description"] = str(wanted.get("description") or "Give the answer by calling this tool.")
    body["tools"], body["tool_choice"] = [tool], {"type": "tool", "name": JSON_TOOL}
    return True


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _listed(stop: str | list[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else stop or []


def incapable(message: str, param: str | None) -> ProviderError:
    """The request needs what this API does not have."""
    return ProviderError(Ending.INCAPABLE, message, param=param)
