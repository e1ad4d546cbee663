"""Translates the input items of a Responses request into chat messages."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from gateway.errors import BadRequest
from gateway.responses.tool_names import chat_name

Item: TypeAlias = Mapping[str, Any]
Message: TypeAlias = dict[str, Any]

_ROLES = ("user", "assistant", "system", "developer")


def messages_of(instructions: str | None, given: object) -> list[Message]:
    """The conversation: `instructions` first, then `input`, which is text or a list of items. Raises BadRequest."""
    messages: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise BadRequest("`input` must be a text or a non-empty list of items", param="input")
    for position, item in enumerate(given):
        where = f"input[{position}]"
        if not isinstance(item, dict):
            raise BadRequest(f"`{where}` must be an object", param=where)
        _add(messages, item, where)
    return messages


def _add(messages: list[Message], item: Item, where: str) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        messages.append(_message(item, where))
    elif kind == "function_call":
        call = {"name": _name(item, where), "arguments": _text(item, "arguments", where)}
        _add_call(messages, {"id": _text(item, "call_id", where), "type": "function", "function": call})
    elif kind == "custom_tool_call":
        call = {"name": _name(item, where), "input": _text(item, "input", where)}
        _add_call(messages, {"id": _text(item, "call_id", where), "type": "custom", "custom": call})
    elif kind in {"function_call_output", "custom_tool_call_output"}:
        content = _output(item.get("output"), where)
        messages.append({"role": "tool", "tool_call_id": _text(item, "call_id", where), "content": content})
    elif kind == "reasoning":
        pass  # a provider's own thoughts: no chat API takes another model's back
    elif kind == "item_reference":
        raise BadRequest(
            f"`{where}` refers to a stored item; nothing is stored here, send the item itself", param=where
        )
    else:
        raise BadRequest(f"`{where}.type`: items of the type {kind!r} are not served here", param=f"{where}.type")


def _add_call(messages: list[Message], call: Message) -> None:
    """Add a call to the turn's assistant message: a chat completion has all calls of a turn in one message."""
    last = messages[-1] if messages else None
    if last is None or last["role"] != "assistant":
        last = {"role": "assistant", "content": None}
        messages.append(last)
    last.setdefault("tool_calls", []).append(call)


def _message(item: Item, where: str) -> Message:
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise BadRequest(f"`{where}.role` must be one of {', '.join(_ROLES)}", param=f"{where}.role")
    if isinstance(content, str):
        return {"role": role, "content": content}
    if not isinstance(content, list):
        raise BadRequest(f"`{where}.content` must be a text or a list of parts", param=f"{where}.content")
    parts = [_part(part, f"{where}.content[{position}]") for position, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):  # many providers take nothing but a text from an assistant
        texts = [part["text"] for part in parts]
        if role == "assistant" or len(texts) == 1:
            return {"role": role, "content": "".join(texts)}
    return {"role": role, "content": parts}


def _part(part: object, where: str) -> Message:
    if not isinstance(part, dict):
        raise BadRequest(f"`{where}` must be an object", param=where)
    translate = _PARTS.get(str(part.get("type")))
    if translate is None:
        raise BadRequest(f"`{where}.type`: parts of the type {part.get('type')!r} are not served here", param=where)
    return translate(part, where)


def _text_part(part: Item, where: str) -> Message:
    return {"type": "text", "text": _text(part, "text", where)}


def _refusal(part: Item, where: str) -> Message:
    return {"type": "refusal", "refusal": _text(part, "refusal", where)}


def _image(part: Item, where: str) -> Message:
    if not isinstance(url := part.get("image_url"), str):
        raise BadRequest(f"`{where}.image_url` must be a URL or a data URL; files are not stored here", param=where)
    detail = {"detail": part["detail"]} if part.get("detail") else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _file(part: Item, where: str) -> Message:
    if part.get("file_url"):
        raise BadRequest(f"`{where}.file_url` is not served here; send `file_data`", param=f"{where}.file_url")
    return {"type": "file", "file": {key: part[key] for key in ("file_data", "file_id", "filename") if part.get(key)}}


def _audio(part: Item, where: str) -> Message:
    return {"type": "input_audio", "input_audio": part.get("input_audio")}


_PARTS: Mapping[str, Callable[[Item, str], Message]] = {
    "input_text": _text_part,
    "output_text": _text_part,
    "text": _text_part,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _output(output: object, where: str) -> object:
    """A tool's result: text or parts; anything else as JSON."""
    if isinstance(output, str):
        return output
    if isinstance(output, list):
        parts = [_part(part, f"{where}.output[{position}]") for position, part in enumerate(output)]
        texts = [part["text"] for part in parts if part["type"] == "text"]
        return "\n".join(texts) if len(texts) == len(parts) else parts
    return msgspec.json.encode(output).decode()


def _name(item: Item, where: str) -> str:
    return chat_name(item.get("namespace"), _text(item, "name", where))


def _text(item: Item, key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"`{where}.{key}` must be a text", param=f"{where}.{key}")
    return value
