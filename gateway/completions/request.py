"""Parses a completion request: checks the known fields, and separates ours from those that are forwarded."""

import hashlib
import re
from collections.abc import Mapping

import msgspec

from bandit.quick import quick_dataclass
from gateway.completions.features import NULL, Message, read_features
from gateway.completions.json_object import (
    Fields,
    Parts,
    check_fields,
    decode_fields,
    read_fields,
    why_unreadable,
)
from gateway.completions.plain import MOST_TOKENS, UNREADABLE, StreamOptions, read_plain
from gateway.completions.routing_fields import (
    EPISODE_KEY,
    FLAT,
    NO_FIELDS,
    TASK_LIMIT,
    HeaderOf,
    RoutingFields,
    no_header,
    read_routing,
)
from gateway.completions.structure import SLICE_BYTES
from gateway.errors import BadRequest, ModelNotSupported, UnknownParameter
from gateway.tasks.call_sites import CallSite, call_site_of
from gateway.tasks.classifier import Features
from storage.rows import clean

REQUESTED_MODEL = "dari/routing"
_OURS = {"model", "routing"}
_TOOLS = ("tools", "functions")
_ARRAYS = {"messages", "tools"}
_MOST_PARTS = 2_000
"""Messages and tools that are looked at one by one; a chat or an agent has fewer."""

_WHERE = re.compile(r" - at `\$\.?(.*)`$")
_UNKNOWN = re.compile(r"contains unknown field `(.*)`")
_MISSING = re.compile(r"missing required field `(\w+)`")


class _ResponseFormat(msgspec.Struct):
    type: str | None = None


class _Role(msgspec.Struct):
    role: str


class _Known(msgspec.Struct):
    """The fields whose types are checked; all others belong to the provider."""

    messages: list[Message]
    routing: dict[str, msgspec.Raw] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, msgspec.Raw]] | None = None
    tool_choice: str | dict[str, msgspec.Raw] | None = None
    response_format: _ResponseFormat | None = None
    metadata: dict[str, msgspec.Raw] | None = None
    user: str | None = None

    def parts(self, fields: Fields) -> Parts | None:
        """The values that may be nested deeply, of the messages, the tools, and the other fields; None if too many."""
        tools = self.tools or ()
        if len(self.messages) + len(tools) > _MOST_PARTS:
            return None
        values = [message.content for message in self.messages]
        values += [message.tool_calls for message in self.messages if message.tool_calls is not NULL]
        values += [message.function_call for message in self.messages if message.function_call is not NULL]
        values += [raw for tool in tools for raw in tool.values()]
        values += [raw for name, raw in fields.items() if name not in _ARRAYS]
        return len(self.messages) + len(tools), values


_KNOWN = msgspec.json.Decoder(_Known)
_STRING = msgspec.json.Decoder(str)
_ROLE = msgspec.json.Decoder(_Role)
_MESSAGES = msgspec.json.Decoder(list[msgspec.Raw])
_DATA_IMAGE = b'"data:image'
_NOTHING: Fields = {}
_NO_NEEDS: frozenset[str] = frozenset()


@quick_dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A checked request. `fields` are forwarded value for value; `needs` are abilities that a model must have.

    `call_site` is where it comes from, as far as its system prompt, tools and schema tell. A plain one has texts alone,
    and fields that every kind of provider translates; its caller tells the router nothing.
    """

    fields: Fields
    features: Features
    needs: frozenset[str]
    stream: bool
    include_usage: bool
    max_tokens: int | None
    routing: RoutingFields
    metadata: Mapping[str, msgspec.Raw]
    size: int
    call_site: CallSite | None = None
    is_plain: bool = False

    @property
    def response_format(self) -> msgspec.Raw | None:
        """The structure that the answer should have."""
        return self.fields.get("response_format")

    @property
    def user(self) -> str | None:
        """Whom the caller asks for: `user`, else `safety_identifier`, as OpenAI calls it now."""
        return _string(self.fields.get("user")) or _string(self.fields.get("safety_identifier"))

    def forwarded(self, task_key: str) -> Fields:
        """The fields for a provider: without the keys of `metadata` that state the task and the episode."""
        if task_key not in self.metadata and EPISODE_KEY not in self.metadata:
            return self.fields
        rest = {key: raw for key, raw in self.metadata.items() if key not in {task_key, EPISODE_KEY}}
        if rest:
            return {**self.fields, "metadata": msgspec.Raw(msgspec.json.encode(rest))}
        return {name: raw for name, raw in self.fields.items() if name != "metadata"}

    def largest_image_bytes(self) -> int:
        """Size of the largest image in a data URL, in base64; 0 without any."""
        messages = bytes(self.fields["messages"])
        largest, at = 0, messages.find(_DATA_IMAGE)
        while at >= 0:
            end = messages.index(b'"', at + len(_DATA_IMAGE))
            comma = messages.find(b",", at, end)
            largest = max(largest, end - comma - 1 if comma >= 0 else 0)
            at = messages.find(_DATA_IMAGE, end)
        return largest

    def task(self, key: str) -> str | None:
        """The task class that the caller states under `metadata.<key>`, else in a header; cut to 64 characters."""
        if not self.metadata:
            return self.routing.task
        stated = _string(self.metadata.get(key))
        return (clean(stated).strip()[:TASK_LIMIT] if stated else None) or self.routing.task


def parse_completion(body: bytes, header: HeaderOf = no_header) -> CompletionRequest:
    """Parse a completion request. `header` gives the request's headers.

    Raises BadRequest and its subclasses, which name the field.
    """
    if len(body) > SLICE_BYTES:
        return _parse_any(body, read_fields(body), header)
    try:
        fields = decode_fields(body)  # as `read_fields` does, in a step less for the usual request
    except UNREADABLE as error:
        raise why_unreadable(body, error) from None
    plain = read_plain(body, fields)
    if plain is None:
        return _parse_any(body, fields, header)
    known, features = plain
    options = known.stream_options
    routing = NO_FIELDS if header is no_header else read_routing(_NOTHING, _NOTHING, _NOTHING, header)
    return CompletionRequest(
        fields=fields,
        features=features,
        needs=_NO_NEEDS,
        stream=known.stream is True,
        include_usage=options is not None and options.include_usage is True,
        max_tokens=known.max_completion_tokens or known.max_tokens,
        routing=routing,
        metadata=_NOTHING,
        size=len(body),
        call_site=call_site_of(features.system) if features.system else None,
        is_plain=routing is NO_FIELDS,
    )


def _parse_any(body: bytes, fields: Fields, header: HeaderOf) -> CompletionRequest:
    """Parse a request that may have any fields, in steps that find out what is wrong with it."""
    known = _known(body)
    check_fields(body, fields, known.parts if known else None)
    if _string(fields.get("model")) != REQUESTED_MODEL:
        raise ModelNotSupported(
            f'`model` must be "{REQUESTED_MODEL}"; the router chooses among its own models', param="model"
        )
    try:
        known = known or _KNOWN.decode(body)
    except msgspec.ValidationError as error:
        raise explain_validation(error) from None
    if not known.messages:
        raise BadRequest("`messages` must be a non-empty array of objects with a `role`", param="messages")
    max_tokens = _positive("max_completion_tokens", known.max_completion_tokens)
    max_tokens = max_tokens or _positive("max_tokens", known.max_tokens)
    format_type = known.response_format.type if known.response_format else None
    calls = bool(known.tools) or bytes(fields.get("functions", NULL)) not in {b"null", b"[]"}
    features, needs = read_features(known.messages, fields, calls, format_type)
    forwarded: Fields = {}
    flat: Fields = {}
    for name, raw in fields.items():
        if name.startswith(FLAT):
            flat[name.removeprefix(FLAT)] = raw
        elif name not in _OURS:
            forwarded[name] = raw
    call_site = None
    if features.system or calls or format_type:
        tools = [fields[name] for name in _TOOLS if name in fields]
        call_site = call_site_of(features.system, tools, fields.get("response_format"))
    return CompletionRequest(
        fields=forwarded,
        features=features,
        needs=needs,
        stream=bool(known.stream),
        include_usage=bool(known.stream_options and known.stream_options.include_usage),
        max_tokens=max_tokens,
        routing=read_routing(known.routing or {}, known.metadata or {}, flat, header),
        metadata=known.metadata or {},
        size=len(body),
        call_site=call_site,
    )


def _known(body: bytes) -> _Known | None:
    """The known fields of a body that is not checked yet; None if something is wrong with them, or with the body."""
    try:
        return _KNOWN.decode(body)
    except UNREADABLE:
        return None


def conversation_of(fields: Fields, secret: bytes) -> bytes | None:
    """A hash of what all turns of a conversation share, keyed so that nobody can find out by guesses what it is of.

    That is `prompt_cache_key`, else `user` and the messages up to the user's first; None if the caller gives neither.
    """
    if "prompt_cache_key" not in fields and "user" not in fields:
        return None  # the usual case
    key = fields.get("prompt_cache_key", NULL)
    if bytes(key) != b"null":
        return hashlib.blake2b(b"key\0" + bytes(key), digest_size=8, key=secret).digest()
    user = fields.get("user", NULL)
    if bytes(user) == b"null":
        return None
    opening = hashlib.blake2b(b"user\0" + bytes(user), digest_size=8, key=secret)
    for message in _MESSAGES.decode(fields["messages"]):
        opening.update(b"\0" + bytes(message))
        if _ROLE.decode(message).role == "user":
            break
    return opening.digest()


def explain_validation(error: msgspec.ValidationError) -> BadRequest:
    """OpenAI's `param` from msgspec's path; the message says what was found and what is right."""
    text = str(error)
    where = _WHERE.search(text)
    missing = _MISSING.search(text)
    unknown = _UNKNOWN.search(text)
    path = where[1] if where else ""
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        return BadRequest(f"`{path}` is required", param=path)
    if unknown:
        path = f"{path}.{unknown[1]}" if path else unknown[1]
        return UnknownParameter(f"`{path}` is not a field here", param=path)
    what = text[: where.start()] if where else text
    return BadRequest(f"`{path}`: {what[0].lower()}{what[1:]}", param=path or None)


def _string(raw: msgspec.Raw | None) -> str | None:
    try:
        return None if raw is None else _STRING.decode(raw)
    except msgspec.ValidationError:
        return None


def _positive(name: str, value: int | None) -> int | None:
    if value is not None and not 1 <= value <= MOST_TOKENS:
        right = "at least 1" if value < 1 else f"at most {MOST_TOKENS:,}"
        raise BadRequest(f"`{name}` must be {right}, not {str(value)[:40]}", param=name)
    return value
