"""Translates OpenAI chat completion requests to requests of Anthropic's Messages API.

A request that can't be translated truly is not sent: `ProviderError` with the verdict REFUSED_VALUE, so that another
model is tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from gateway.providers.anthropic.attachments import Block
from gateway.providers.anthropic.json_schema import narrowed
from gateway.providers.anthropic.messages import NOTHING, split_system, translate_messages
from gateway.providers.anthropic.models import Generation, generation_of
from gateway.providers.anthropic.refusals import incapable, no_counterpart
from gateway.providers.anthropic.tools import input_schema, is_forced, set_tools

Body: TypeAlias = dict[str, Any]

DEFAULT_MAX_TOKENS = 16_384
"""`max_tokens`, which the API requires, if neither the request nor the model's declaration sets it. Thinking counts
toward it, so a small one would cut answers off."""
JSON_TOOL = "answer"
_JSON_ONLY = "Answer with one JSON object and nothing else: no prose, no Markdown."
_USER_ID_LIMIT = 256

_TRANSLATED = frozenset(
    {
        *("messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "stream"),
        *("stream_options", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("response_format", "reasoning_effort", "user", "safety_identifier"),
    }
)
_THEIRS = frozenset({"top_k", "thinking", "cache_control", "speed"})
"""Fields of Anthropic's own, sent unchanged."""
_HINTS = frozenset({"metadata", "store", "prompt_cache_key", "prompt_cache_retention", "verbosity"})
"""Dropped: without effect on the answer."""
_NEUTRAL: Mapping[str, Sequence[object]] = {
    "n": (1,),
    "logprobs": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
}
"""Dropped if the value is the API's only behaviour anyway; other values can't be translated."""
KNOWN = _TRANSLATED | _THEIRS | _HINTS | _NEUTRAL.keys()

_EFFORTS = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high"}
_LEAST_BUDGET = 1_024
_BUDGETS = {"low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
"""Thinking tokens per effort; capped at half of `max_tokens`."""


@dataclass(frozen=True, slots=True)
class Form:
    """How to read the answer to a translated request.

    `json_tool`: its JSON is the input of `JSON_TOOL`. `legacy`: tool calls are returned as `function_call`. `stops`:
    stop sequences that the API refuses, at which the answer is cut here.
    """

    json_tool: bool = False
    legacy: bool = False
    stops: tuple[str, ...] = ()


PLAIN = Form()


def translate(model: str, fields: Mapping[str, msgspec.Raw], output_limit: int | None = None) -> tuple[Body, Form]:
    """Translate a request: its body, and how to read the answer. Raises ProviderError.

    `output_limit` is the largest number of tokens that the model can answer with.
    """
    try:
        return _translate(model, fields, output_limit)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Only the types of top-level fields were checked: anything may be nested in them.
        raise incapable("the request has a part of a shape that can't be translated", None) from error


def _translate(model: str, fields: Mapping[str, msgspec.Raw], output_limit: int | None) -> tuple[Body, Form]:
    values = {name: msgspec.json.decode(raw) for name, raw in fields.items() if name != "model"}
    given = {name: value for name, value in values.items() if value is not None}
    _refuse_unknown(given)
    generation = generation_of(model)
    system, conversation = split_system(given.get("messages", []))
    body: Body = {
        "model": model,
        "max_tokens": _max_tokens(given, output_limit),
        "messages": translate_messages(conversation),
    }
    set_tools(body, given, generation)
    json_tool = _set_format(body, given.get("response_format"), system, generation)
    if not body["messages"]:
        body["messages"], system = [{"role": "user", "content": system or [_text(NOTHING)]}], []
    elif body["messages"][-1]["role"] == "assistant" and not generation.prefill:
        raise incapable("this model can't go on from the beginning of an answer: the user has to speak last", None)
    if system:
        body["system"] = system
    stops = _listed(given.get("stop"))
    if sent := [stop for stop in stops if stop.strip()]:
        body["stop_sequences"] = sent
    body |= {name: given[name] for name in _THEIRS if name in given}
    _set_thinking(body, given, generation)
    if generation.sampling and body.get("thinking", {}).get("type", "disabled") == "disabled":
        _set_sampling(body, given)
    user = given.get("safety_identifier") or given.get("user")
    if user and "@" not in user:  # mail addresses are refused: the id has to be opaque
        body["metadata"] = {"user_id": user[:_USER_ID_LIMIT]}
    blank = tuple(stop for stop in stops if stop and not stop.strip())
    return body, Form(json_tool, legacy="functions" in given, stops=blank)


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in KNOWN or (name in _NEUTRAL and value not in _NEUTRAL[name]):
            raise no_counterpart(f"`{name}` as it was given", name)


def _max_tokens(given: Mapping[str, Any], output_limit: int | None) -> int:
    """The requested limit, at most the model's own: a larger one is refused, and could not be used up."""
    asked: int = given.get("max_completion_tokens") or given.get("max_tokens") or output_limit or DEFAULT_MAX_TOKENS
    return min(asked, output_limit) if output_limit else asked


def _set_sampling(body: Body, given: Mapping[str, Any]) -> None:
    """Set the temperature, at most 1, or else `top_p`: newer models refuse both together."""
    if "temperature" in given:
        body["temperature"] = min(given["temperature"], 1.0)
    elif "top_p" in given:
        body["top_p"] = given["top_p"]


def _set_thinking(body: Body, given: Mapping[str, Any], generation: Generation) -> None:
    """Set how much to think: an effort, or a budget of tokens for older models."""
    effort = given.get("reasoning_effort")
    if not effort or "thinking" in body:
        return
    if generation.efforts:
        wanted = _EFFORTS.get(effort, effort)
        if wanted not in generation.efforts:
            wanted = "max" if wanted == "max" and "max" in generation.efforts else "high"
        body.setdefault("output_config", {})["effort"] = wanted
        if generation.adaptive and effort != "none" and not is_forced(body.get("tool_choice")):
            body["thinking"] = {"type": "adaptive"}
    elif generation.budget and effort in _BUDGETS and _may_think(body):
        budget = min(_BUDGETS[effort], body["max_tokens"] // 2)
        if budget >= _LEAST_BUDGET:
            body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _may_think(body: Body) -> bool:
    """Whether the API accepts a thinking budget with the rest of the request.

    Not with a forced call, nor after tool results: the turn before them would have to start with the thinking blocks
    that led to the calls, which OpenAI's messages don't carry.
    """
    last = body["messages"][-1]
    answers_tools = any(block["type"] == "tool_result" for block in last["content"])
    return last["role"] == "user" and not answers_tools and not is_forced(body.get("tool_choice"))


def _set_format(body: Body, asked: Mapping[str, Any] | None, system: list[Block], generation: Generation) -> bool:
    """Request JSON: by a native schema if it can be expressed, else by a tool that must be called."""
    kind = (asked or {}).get("type", "text")
    if kind == "text":
        return False
    if kind == "json_object":
        system.append(_text(_JSON_ONLY))
        return False
    wanted = (asked or {}).get("json_schema")
    if kind != "json_schema" or not isinstance(wanted, dict) or not isinstance(wanted.get("schema", {}), dict):
        raise no_counterpart("`response_format` as it was given", "response_format")
    schema = wanted.get("schema", {})
    if generation.structured and (native := narrowed(schema)):
        body["output_config"] = {"format": {"type": "json_schema", "schema": native}}
        return False
    if "tools" in body or schema.get("type", "object") != "object" or not generation.forced_tools:
        raise incapable("this JSON schema can't be expressed for this kind of provider", "response_format")
    tool = {"name": JSON_TOOL, "input_schema": input_schema(schema)}
    tool["description"] = str(wanted.get("description") or "Give the answer by calling this tool.")
    body["tools"], body["tool_choice"] = [tool], {"type": "tool", "name": JSON_TOOL}
    return True


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _listed(stop: str | list[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else stop or []
