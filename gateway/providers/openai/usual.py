"""Reads the usual plain answer, one choice with a text and its tokens, by one decoder; all others are read in steps."""

from typing import Annotated, Literal

import msgspec

from gateway.providers.upstream.provider import Answer, Usage
from gateway.providers.upstream.usage import UsualUsage, usual_tokens


class _Message(msgspec.Struct):
    """A text, without anything else that would count: each of the other fields is null or not there."""

    content: Annotated[str, msgspec.Meta(min_length=1)]
    refusal: None = None
    tool_calls: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)] | None = None
    function_call: None = None
    audio: None = None
    images: None = None
    reasoning_content: None = None
    reasoning: None = None
    reasoning_text: None = None
    thinking: None = None
    reasoning_details: None = None
    thinking_blocks: None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: Literal["stop", "length"]
    index: int | None = 0
    error: None = None
    delta: None = None


class _Groq(msgspec.Struct):
    error: None = None


class _Usual(msgspec.Struct):
    choices: tuple[_Choice]
    usage: UsualUsage
    object: Literal["chat.completion"]
    error: None = None
    type: None = None
    service_tier: str | None = None
    x_groq: _Groq | None = None


_USUAL = msgspec.json.Decoder(_Usual)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_usual(body: bytes) -> Answer | None:
    """What `read_answer` reads of an answer of the usual kind; None for any other."""
    try:
        told = _USUAL.decode(body)
        fields = _FIELDS.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    tokens = usual_tokens(told.usage)
    if tokens is None:
        return None
    choice = told.choices[0]
    text = choice.message.content
    return Answer(
        fields=fields,
        usage=Usage(tokens, tier=told.service_tier or None),
        finish_reason=choice.finish_reason,
        text_bytes=len(text) if text.isascii() else len(text.encode()),
        text=text,
        counts_alone=True,
    )
