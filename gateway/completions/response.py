"""Writes the response: the provider's own fields, with our id, time, model, and the reason of the choice."""

from functools import lru_cache

import msgspec

from bandit.types import Attempt
from gateway.completions.json_object import Fields
from gateway.completions.request import REQUESTED_MODEL
from gateway.errors import GatewayError
from gateway.providers.upstream.provider import Answer, Chunk
from gateway.providers.upstream.template import Run, Template

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode
_FIGURES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FIRST_CHOICES = msgspec.Raw(b'[{"index":0,"delta":{},"finish_reason":null}]')
_CHUNK = msgspec.Raw(b'"chat.completion.chunk"')
_COMPLETION = msgspec.Raw(b'"chat.completion"')
_NONE = msgspec.Raw(b"[]")
_OWN = ("id", "object", "created", "model")
_NOWHERE = (b"", b"", b"")


def whole(answer: Answer, completion_id: str, created: int, model_id: str, reason: str, cost: bytes) -> bytes:
    """A complete completion: the provider's own fields and ours. Its usage includes the cost, by `usd`."""
    model, routing = _told(model_id, reason)
    fields: dict[str, object] = {
        **answer.fields,
        "id": f"chatcmpl-{completion_id}",
        "object": _COMPLETION,
        "created": created,
        "model": model,
        "dari_routing": routing,
    }
    usage = answer.fields.get("usage")
    if usage is not None:
        fields["usage"] = _cost_added(usage, cost) if answer.counts_alone else _with_cost(usage, cost)
    return _encode(fields)


class Envelope:
    """Renders one stream. Every part of it has the same `id`, `created` and `model`.

    `keeps_text`: keep a stream's text for `text`, which takes memory.
    """

    __slots__ = (
        "_around",
        "_created",
        "_head",
        "_id",
        "_keeps_text",
        "_model",
        "_routing",
        "_template",
        "_text",
        "_usage",
        "finish_reason",
    )

    def __init__(
        self, completion_id: str, created: int, model_id: str, reason: str, *, keeps_text: bool = False
    ) -> None:
        self._id = msgspec.Raw(b'"chatcmpl-%b"' % completion_id.encode())
        self._created = msgspec.Raw(b"%d" % created)
        self._model, self._routing = _told(model_id, reason)
        self._head = b""  # of every event of a stream
        self._keeps_text = keeps_text
        self._text: list[str] = []
        self._usage: msgspec.Raw | None = None
        self._template: Template | None = None
        self._around = _NOWHERE  # of the content, in an event by that template
        self.finish_reason: str | None = None

    def first(self) -> bytes:
        """The first event, with the model and the reason."""
        return self._event({"choices": _FIRST_CHOICES, "dari_routing": self._routing})

    def chunks(self, chunks: list[Chunk]) -> bytes:
        """The provider's chunks as events. Usage is kept back for `usage`, and chunks of nothing else are left out."""
        events = []
        for chunk in chunks:
            if chunk.run is not None:
                events.append(self.run(chunk.run))
                continue
            fields = chunk.fields
            usage = fields.pop("usage", None)
            if chunk.usage is not None and (chunk.usage.is_told or self._usage is None):
                self._usage = usage
            if chunk.finish_reason is not None:
                self.finish_reason = chunk.finish_reason
            if self._keeps_text and chunk.text:
                self._text.append(chunk.text)
            if fields.get("choices", _NONE) != _NONE:
                events.append(self._event(fields))
        return b"".join(events)

    def run(self, run: Run) -> bytes:
        """The events of chunks that differ in their content alone."""
        template = run.template
        if template is not self._template:
            fields = {name: raw for name, raw in template.fields.items() if name != "usage"}
            self._template, self._around = template, template.around(self._event(fields))
        if self._keeps_text:
            self._text += run.texts
        before, middle, end = self._around
        if run.letters:
            each = zip(run.said, run.letters, strict=True)
            return b"".join([b"%b%b%b%b%b" % (before, said, middle, letters, end) for said, letters in each])
        return before + (middle + before).join(run.said) + middle

    def usage(self, attempt: Attempt, cost_usd: float) -> bytes:
        """The usage event that the client asked for, with the cost; by our own count if the provider sent none."""
        usage = self._usage
        if usage is None:
            prompt, completion = attempt.prompt_tokens or 0, attempt.completion_tokens or 0
            counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            details = {"prompt_tokens_details": {"cached_tokens": attempt.cached_tokens}}
            usage = msgspec.Raw(_encode(counted | details if attempt.cached_tokens else counted))
        return self._event({"choices": _NONE, "usage": _with_cost(usage, usd(cost_usd))})

    def text(self) -> str:
        """The text of the first choice, as far as the provider's adapter reports it."""
        return "".join(self._text)

    def _event(self, fields: Fields) -> bytes:
        """An event with these fields after our own, which come first, as in OpenAI's chunks. Takes `fields` apart."""
        if not self._head:
            own = {"id": self._id, "object": _CHUNK, "created": self._created, "model": self._model}
            self._head = b"data: " + _encode(own)[:-1] + b","
        for name in _OWN:
            fields.pop(name, None)
        return b"%b%b\n\n" % (self._head, _encode(fields)[1:])


@lru_cache(maxsize=1_024)
def _told(model_id: str, reason: str) -> tuple[msgspec.Raw, msgspec.Raw]:
    """The answer's `model` and `dari_routing`: many answers of one choice have the same."""
    routing = {"requested_model": REQUESTED_MODEL, "selected_model": model_id, "reason": reason}
    return msgspec.Raw(_encode(model_id)), msgspec.Raw(_encode(routing))


def usd(cost_usd: float) -> bytes:
    """Dollars as a plain decimal number."""
    return f"{cost_usd:.12f}".rstrip("0").rstrip(".").encode()


def _with_cost(usage: msgspec.Raw, cost: bytes) -> msgspec.Raw:
    """The provider's own figures with the cost added."""
    told = bytes(usage)
    if told.endswith(b"}") and b":" in told and b"cost_usd" not in told and b"\\" not in told:
        return _cost_added(usage, cost)
    try:
        figures = _FIGURES.decode(usage)
    except msgspec.DecodeError:
        return usage
    return msgspec.Raw(_encode(figures | {"cost_usd": msgspec.Raw(cost)}))


def _cost_added(figures: msgspec.Raw, cost: bytes) -> msgspec.Raw:
    """An object, which has figures and no cost of its own, with the cost added."""
    return msgspec.Raw(b'%b,"cost_usd":%b}' % (bytes(figures)[:-1], cost))


def error_event(error: GatewayError) -> bytes:
    """The event that ends a stream that failed."""
    return b"data: " + error.body() + b"\n\n"
