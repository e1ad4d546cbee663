"""Measures a request's messages: their text, their attachments, and the size of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gateway.tasks.classifier import Features

TEXT_LIMIT = 8_000
"""Characters of a request's text that the classifier may see from either end."""
NULL = msgspec.Raw(b"null")
_PART_NEEDS = {
    "image_url": "vision",
    "input_image": "vision",
    "input_audio": "audio",
    "file": "files",
    "input_file": "files",
}
_SCHEMA_FIELDS = ("tools", "functions")
SYSTEM_ROLES = frozenset({"system", "developer"})
TOOL_ROLES = frozenset({"tool", "function"})

BYTES_PER_BASE64 = 0.75
PCM_BYTES_PER_SECOND = 48_000
"""24 kHz, 16 bits, one channel."""
COMPRESSED_BYTES_PER_SECOND = 16_000
UNKNOWN_FILE_KILOBYTES = 100.0
"""Of a file that is named by its id."""
NAMES_BYTES = 500
"""Of an attachment, at either end: the names of its fields stand there, and its data is not read again."""


class Message(msgspec.Struct):
    """A message, decoded as far as its size and role need."""

    role: str
    content: msgspec.Raw = NULL
    tool_calls: msgspec.Raw = NULL
    function_call: msgspec.Raw = NULL


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    input_audio: msgspec.Raw = NULL
    file: msgspec.Raw = NULL
    file_data: msgspec.Raw = NULL


_CONTENT = msgspec.json.Decoder(str | list[_Part] | None)


@dataclass(slots=True)
class _Attachments:
    """The parts of a request's messages that are not text."""

    needs: set[str]
    images: int = 0
    audio_seconds: float = 0.0
    file_kilobytes: float = 0.0

    def add(self, part: _Part) -> None:
        """Count one part of a message's content."""
        need = _PART_NEEDS.get(part.type or "")
        if need is None:
            return
        self.needs.add(need)
        if need == "vision":
            self.images += 1
        elif need == "audio":
            self.audio_seconds += _audio_seconds(part.input_audio)
        else:
            self.file_kilobytes += _file_kilobytes(part)


def read_features(
    messages: Sequence[Message], fields: Mapping[str, msgspec.Raw], tools: bool, format_type: str | None
) -> tuple[Features, frozenset[str]]:
    """A request's features, and the abilities that a model must have for it.

    `tools`: it offers some. `format_type` is that of its `response_format`.
    """
    attached = _Attachments({"tools"} if tools else set())
    described = [fields[name] for name in _SCHEMA_FIELDS if name in fields]
    chars = turns = tool_turns = 0
    system: list[str] = []
    user: list[str] = []
    for message in messages:
        role = message.role
        parts = _read_content(message.content, attached)
        for part in parts:
            chars += len(part)
        if message.tool_calls is not NULL:
            described.append(message.tool_calls)
        if message.function_call is not NULL:
            described.append(message.function_call)
        if role in SYSTEM_ROLES:
            system.extend(parts)
        elif role == "user":
            turns += 1
            user = parts
        elif role in TOOL_ROLES:
            tool_turns += 1
    if format_type == "json_schema":
        attached.needs.add("json_schema")
        described.append(fields["response_format"])
    features = Features(
        system=ends("\n".join(system)) if system else "",
        text=ends("\n".join(user)),
        prompt_chars=chars,
        tools=tools,
        tool_turns=tool_turns,
        wants_json=format_type in {"json_schema", "json_object"},
        images=attached.images,
        turns=turns,
        messages=len(messages),
        schema_bytes=_json_bytes(described),
        audio_seconds=attached.audio_seconds,
        file_kilobytes=attached.file_kilobytes,
    )
    return features, frozenset(attached.needs)


def _read_content(raw: msgspec.Raw, attached: _Attachments) -> list[str]:
    """The texts of a message's content; other parts are counted. What can't be read is left to the provider."""
    try:
        content = _CONTENT.decode(raw)
    except msgspec.ValidationError:
        return []
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    for part in content:
        attached.add(part)
    return [part.text for part in content if part.text is not None]


def _json_bytes(raws: Iterable[msgspec.Raw]) -> int:
    """The size of values in UTF-8, without whitespace and escapes; null has none."""
    values = [raw for raw in raws if raw != NULL]
    if not values:
        return 0
    compact = msgspec.json.format(b"[%b]" % b",".join(values), indent=-1)
    return len(compact) - len(b"[]") - (len(values) - 1) - 3 * _escaped_characters(compact)


def _escaped_characters(json: bytes) -> int:
    """How many characters are escaped by their code. Counted by numpy, as `bytes.count` takes longer than to format."""
    if b"\\" not in json:
        return 0
    each = np.frombuffer(json, np.uint8)
    return int(np.count_nonzero((each[:-1] == ord("\\")) & (each[1:] == ord("u"))))


def _audio_seconds(audio: msgspec.Raw) -> float:
    view = memoryview(audio)
    beside = bytes(view[:NAMES_BYTES]) + bytes(view[-NAMES_BYTES:])
    pcm = b'"wav"' in beside or b'"pcm16"' in beside
    return len(view) * BYTES_PER_BASE64 / (PCM_BYTES_PER_SECOND if pcm else COMPRESSED_BYTES_PER_SECOND)


def _file_kilobytes(part: _Part) -> float:
    if part.file_data != NULL:
        return len(memoryview(part.file_data)) * BYTES_PER_BASE64 / 1_000.0
    view = memoryview(part.file)
    inline = b'"file_data"' in bytes(view[:NAMES_BYTES])
    return len(view) * BYTES_PER_BASE64 / 1_000.0 if inline else UNKNOWN_FILE_KILOBYTES


def ends(text: str) -> str:
    """What the classifier may see of a text."""
    return text if len(text) <= 2 * TEXT_LIMIT else text[:TEXT_LIMIT] + "\n" + text[-TEXT_LIMIT:]
