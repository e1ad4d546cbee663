"""Translates OpenAI's messages to Anthropic's: system blocks apart, turns of blocks, tool results in user turns."""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from gateway.providers.anthropic.attachments import Block, document, image
from gateway.providers.anthropic.refusals import no_counterpart

Message: TypeAlias = Mapping[str, Any]

NOTHING = "…"
"""Placeholder if the API requires a text and the caller sent none."""
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")


def split_system(messages: Sequence[Message]) -> tuple[list[Block], list[Message]]:
    """Split off the blocks of system and developer messages from the rest of the conversation."""
    system = [
        block
        for message in messages
        if message.get("role") in {"system", "developer"}
        for block in _marked(message, _parts(message.get("content")))
    ]
    return system, [message for message in messages if message.get("role") not in {"system", "developer"}]


def translate_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Translate the conversation to alternating turns, the user's first. Raises ProviderError."""
    turns: list[dict[str, Any]] = []
    ids = _ToolIds()
    for message in messages:
        role, blocks = _turn(message, ids)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": NOTHING}]})
    if turns and turns[-1]["role"] == "assistant" and turns[-1]["content"][-1]["type"] == "text":
        # The API refuses a prefill that ends in white space.
        turns[-1]["content"][-1]["text"] = turns[-1]["content"][-1]["text"].rstrip()
    return turns


class _ToolIds:
    """Makes ids of tool calls unique in the conversation and of allowed characters: letters, digits, `_`, `-`.

    Some models number their calls from 0 in each turn, and two ids may differ only in characters that are not allowed.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._next: dict[str, int] = {}  # the number to try next, by id
        self._open: dict[str, deque[str]] = {}  # the caller's id → ours, of the last turn's calls without a result

    def new_turn(self) -> None:
        """Forget calls without a result: results belong to the turn before them."""
        self._open.clear()

    def call(self, given: str) -> str:
        """Return a new id for a call."""
        base = _NO_ID.sub("_", given) or "call"
        found = base
        while found in self._used:
            number = self._next[base] = self._next.get(base, 1) + 1
            found = f"{base}_{number}"
        self._used.add(found)
        self._open.setdefault(given, deque()).append(found)
        return found

    def result(self, given: str) -> str:
        """Return the id of the call that a result is for: the first without one, if several share the caller's id."""
        waiting = self._open.get(given)
        return waiting.popleft() if waiting else _NO_ID.sub("_", given) or "call"


def _turn(message: Message, ids: _ToolIds) -> tuple[str, list[Block]]:
    match message.get("role"):
        case "user":
            return "user", _marked(message, _parts(message.get("content")))
        case "assistant":
            blocks = _parts(message.get("content"))
            if message.get("refusal"):
                blocks.append({"type": "text", "text": message["refusal"]})
            ids.new_turn()
            blocks += [_tool_use(call.get("function"), str(call.get("id")), ids) for call in _calls(message)]
            if called := message.get("function_call"):
                blocks.append(_tool_use(called, _legacy_id(called.get("name")), ids))
            return "assistant", _marked(message, blocks)
        case "tool":
            return "user", _marked(message, [_result(message, str(message.get("tool_call_id")), ids)])
        case "function":
            return "user", _marked(message, [_result(message, _legacy_id(message.get("name")), ids)])
        case role:
            raise no_counterpart(f"messages of the role {str(role)[:40]!r}")


def _marked(message: Message, blocks: list[Block]) -> list[Block]:
    """Put the `cache_control` of a whole message on its last block."""
    if blocks and message.get("cache_control"):
        blocks[-1] = {**blocks[-1], "cache_control": message["cache_control"]}
    return blocks


def _parts(content: object) -> list[Block]:
    """Translate content to blocks, without empty texts, which the API refuses."""
    if content is None:
        return []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise no_counterpart("messages with such content")
    return [block for part in parts if (block := _part(part)) is not None]


def _part(part: Mapping[str, Any]) -> Block | None:
    match part:
        case {"type": "text" | "refusal"}:
            text = part.get("text", part.get("refusal", ""))
            block: Block = {"type": "text", "text": text}
            if not isinstance(text, str) or not text.strip():
                return None
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            block = image(url)
        case {"type": "file", "file": {"file_data": str(data), **rest}}:
            block = document(data, rest.get("filename"))
        case {"type": kind}:
            raise no_counterpart(f"content of the type {str(kind)[:40]!r} in this form")
        case _:
            raise no_counterpart("content without a type")
    if "cache_control" in part:
        block["cache_control"] = part["cache_control"]
    return block


def _calls(message: Message) -> Sequence[Mapping[str, Any]]:
    return message.get("tool_calls") or ()


def _tool_use(function: object, given_id: str, ids: _ToolIds) -> Block:
    if not isinstance(function, dict):
        raise no_counterpart("tool calls that are no functions")
    try:
        given = msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError):
        given = None
    if not isinstance(given, dict):
        raise no_counterpart("a tool call whose arguments are not a JSON object")
    return {"type": "tool_use", "id": ids.call(given_id), "name": function.get("name"), "input": given}


def _result(message: Message, given_id: str, ids: _ToolIds) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": ids.result(given_id)}
    if content := _parts(message.get("content")):
        result["content"] = content
    return result


def _legacy_id(name: object) -> str:
    """Id of a call of `function_call`, which has none: the function's name."""
    return f"function:{name}"
