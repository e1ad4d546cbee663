"""Reads plain requests in few steps: nothing but texts, and fields that every kind of provider translates."""

from typing import Annotated, Literal

import msgspec

from gateway.completions.duplicates import refuse_duplicates
from gateway.completions.features import SYSTEM_ROLES, TEXT_LIMIT, TOOL_ROLES, ends
from gateway.tasks.classifier import Features

FORWARDED_BY_ALL = frozenset(
    {"messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"}
)
"""Fields that every kind of provider translates; for others the provider is asked."""
PLAIN_FIELDS = FORWARDED_BY_ALL | {"model"}
MOST_TOKENS = 2**63 - 1
"""Of `max_tokens`: what a client may send that means no limit. Much larger ones are beyond any float."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec's decoders raise about a body."""

_Tokens = Annotated[int, msgspec.Meta(ge=1, le=MOST_TOKENS)]


class StreamOptions(msgspec.Struct):
    """How a stream should be."""

    include_usage: bool | None = None


class _StreamOptions(StreamOptions, forbid_unknown_fields=True):
    pass


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str
    name: str | None = None
    # What clients repeat of an answer's message.
    annotations: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None
    audio: None = None
    function_call: None = None
    refusal: str | None = None
    tool_calls: None = None


class PlainFields(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of a plain request; what has others, or other types, is none.

    Nothing in it is skipped when it is decoded, so it is valid UTF-8, and not nested deeper than these are.
    """

    model: Literal["dari/routing"]
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    stop: str | list[str] | None = None


_PLAIN = msgspec.json.Decoder(PlainFields)
_encode = msgspec.json.encode


def read_plain(body: bytes, fields: dict[str, msgspec.Raw]) -> tuple[PlainFields, Features] | None:
    """A body's fields and features; None if it must be read the long way. `fields` are left as they are forwarded.

    Raises InvalidJson for duplicate keys.
    """
    if not PLAIN_FIELDS.issuperset(fields):
        return None
    try:
        read = _PLAIN.decode(body)
    except UNREADABLE:
        return None
    if _encode(fields) != body:  # as it is with spaces
        refuse_duplicates(body, fields)
    chars = turns = 0
    text = ""
    system: list[str] = []
    for message in read.messages:
        role, content = message.role, message.content
        chars += len(content)
        if role == "user":
            turns += 1
            text = content
        elif role in SYSTEM_ROLES:
            system.append(content)
        elif role in TOOL_ROLES:
            return None
    features = Features(
        system=ends("\n".join(system)) if system else "",
        text=text if len(text) <= TEXT_LIMIT else ends(text),
        prompt_chars=chars,
        tools=False,
        tool_turns=0,
        wants_json=False,
        images=0,
        turns=turns,
        messages=len(read.messages),
    )
    del fields["model"]
    return read, features
