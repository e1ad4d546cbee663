"""OpenAI's messages as Anthropic's: the system apart, turns of content blocks, tool results in the user's turn."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from bandit.types import Ending
from gateway.providers.upstream.provider import ProviderError

Block: TypeAlias = dict[str, Any]
Message: TypeAlias = Mapping[str, Any]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*;base64,", re.IGNORECASE)
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")


def split_system(messages: Sequence[Message]) -> tuple[list[Block], list[Message]]:
    """The blocks of what the system and the developer say, and the rest of the conversation."""
    system = [
        block
        for message in messages
        if message.get("role") in {"system", "developer"}
        for block in _parts(message.get("content"))
    ]
    return system, [message for message in messages if message.get("role") not in {"system", "developer"}]


def translate_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The conversation in turns. Raises ProviderError for what has no counterpart."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, blocks = _turn(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if turns and turns[-1]["role"] == "assistant" and turns[-1]["content"][-1]["type"] == "text":
        # A beginning that the model is to go on from must not end in white space.
        turns[-1]["content"][-1]["text"] = turns[-1]["content"][-1]["text"].rstrip()
    return turns


def _turn(message: Message) -> tuple[str, list[Block]]:
    match message.get("role"):
        case "user":
            return "user", _parts(message.get("content"))
        case "assistant":
            blocks = _parts(message.get("content"))
            if message.get("refusal"):
                blocks.append({"type": "text", "text": message["refusal"]})
            return "assistant", blocks + [_tool_use(call) for call in message.get("tool_calls") or ()]
        case "tool":
            result: Block = {"type": "tool_result", "tool_use_id": _identifier(message.get("tool_call_id"))}
            if content := _parts(message.get("content")):
                result["content"] = content
            return "user", [result]
        case role:
            raise _unknown(f"messages of the role {str(role)[:40]!r}")


def _parts(content: object) -> list[Block]:
    """Content blocks; empty texts, which this API refuses, are left out."""
    if content is None:
        return []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise _unknown("messages with such content")
    return [block for part in parts if (block := _part(part)) is not None]


def _part(part: Mapping[str, Any]) -> Block | None:
    match part:
        case {"type": "text" | "refusal"}:
            text = part.get("text", part.get("refusal", ""))
            block: Block = {"type": "text", "text": text}
            if not isinstance(text, str) or not text.strip():
                return None
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            block = {"type": "image", "source": _source(url)}
        case {"type": "file", "file": {"file_data": str(data), **rest}}:
            block = {"type": "document", "source": _source(data)}
            if rest.get("filename"):
                block["title"] = rest["filename"]
        case {"type": kind}:
            raise _unknown(f"content of the type {str(kind)[:40]!r} in this form")
        case _:
            raise _unknown("content without a type")
    if "cache_control" in part:
        block["cache_control"] = part["cache_control"]
    return block


def _source(url: str) -> Block:
    match = _DATA_URL.match(url)
    if match:
        return {"type": "base64", "media_type": (match[1] or "text/plain").lower(), "data": url[match.end() :]}
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise _unknown("data that is neither a data URL in base64 nor a web address")


def _tool_use(call: Mapping[str, Any]) -> Block:
    function = call.get("function")
    if not isinstance(function, dict):
        raise _unknown("tool calls that are no functions")
    try:
        given = msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError):
        given = None
    if not isinstance(given, dict):
        raise _unknown("a tool call whose arguments are not a JSON object")
    return {"type": "tool_use", "id": _identifier(call.get("id")), "name": function.get("name"), "input": given}


def _identifier(given: object) -> str:
    return _NO_ID.sub("_", str(given)) or "_"


def _unknown(what: str) -> ProviderError:
    return ProviderError(Ending.INCAPABLE, f"this kind of provider has no counterpart of {what}")
