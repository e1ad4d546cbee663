"""Streams the whole answer of a model that can't stream itself."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import msgspec

from gateway.providers.upstream.provider import Answer, Call, Chunk, Provider

_STREAMING = frozenset({"stream", "stream_options"})
_CHOICES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_MESSAGE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CALLS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_NULL = msgspec.Raw(b"null")
_NONE = msgspec.Raw(b"[]")
_EMPTY = msgspec.Raw(b"{}")
_encode = msgspec.json.encode


async def stream_plainly(provider: Provider, call: Call) -> AsyncGenerator[list[Chunk], None]:
    """The chunks of an answer that was asked for plainly: they all come at once. Raises ProviderError."""
    fields = {name: raw for name, raw in call.fields.items() if name not in _STREAMING}
    yield chunks_of(await provider.complete(replace(call, fields=fields)))


def chunks_of(answer: Answer) -> list[Chunk]:
    """A chunk for what each choice says, one for how it ends, and one for the usage."""
    shared = {name: raw for name, raw in answer.fields.items() if name not in {"choices", "usage"}}
    said: list[Chunk] = []
    ends: list[Chunk] = []
    for choice in _CHOICES.decode(answer.fields["choices"]):
        index = choice.get("index", msgspec.Raw(b"0"))
        finish = choice.pop("finish_reason", _NULL)
        delta = _delta(choice.pop("message", _EMPTY))
        said.append(_chunk(shared, {**choice, "index": index, "delta": delta, "finish_reason": _NULL}))
        ends.append(_chunk(shared, {"index": index, "delta": _EMPTY, "finish_reason": finish}))
    said[0].text, said[0].text_bytes = answer.text or "", answer.text_bytes
    ends[0].finish_reason = answer.finish_reason
    chunks = said + ends
    if answer.usage is not None:
        usage = {**shared, "choices": _NONE, "usage": answer.fields.get("usage", _NULL)}
        chunks.append(Chunk(usage, says=False, usage=answer.usage))
    return chunks


def _delta(message: msgspec.Raw) -> msgspec.Raw:
    """A message as a delta: its tool calls are numbered."""
    fields = _MESSAGE.decode(message)
    calls = fields.get("tool_calls", _NULL)
    if calls != _NULL:
        numbered = [{"index": number, **call} for number, call in enumerate(_CALLS.decode(calls))]
        fields["tool_calls"] = msgspec.Raw(_encode(numbered))
    return msgspec.Raw(_encode(fields))


def _chunk(shared: dict[str, msgspec.Raw], choice: dict[str, msgspec.Raw]) -> Chunk:
    return Chunk({**shared, "choices": msgspec.Raw(_encode([choice]))}, says=True)
