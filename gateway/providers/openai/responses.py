"""Lenient parser of OpenAI's wire format: answers and the chunks of streams."""

import re

import msgspec

from gateway.providers.openai.usual import read_usual
from gateway.providers.upstream.error_bodies import parsed, read_error
from gateway.providers.upstream.faults import BROKEN_FINISHES, broken_off, empty, malformed, refused, says_by_itself
from gateway.providers.upstream.json_repair import decode
from gateway.providers.upstream.provider import Answer, Chunk, Usage
from gateway.providers.upstream.template import Template
from gateway.providers.upstream.usage import find_usage

DONE = b"[DONE]"
_NULL = msgspec.Raw(b"null")
_NO_THOUGHTS = (_NULL,) * 6
_NOTHING = {b"", b"null", b"false", b'""', b"[]", b"{}"}
_WORDS = frozenset({"text", "thinking"})
_CODES = frozenset({"code", "status_code", "error_code"})
_IS_ERROR = msgspec.Raw(b'"error"')
_UNKNOWN_THOUGHTS = re.compile(rb'"(?:reason|think|thought)\w*"\s*:(?!\s*(?:null|false|""|\[\s*\]|\{\s*\}))')
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MOST_TEMPLATES = 4
"""After this many templates of a stream that no other chunk has matched, no further one is made."""


class _Function(msgspec.Struct):
    name: msgspec.Raw = _NULL
    arguments: msgspec.Raw = _NULL


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Part(msgspec.Struct):
    type: str = "text"
    text: str = ""
    thinking: msgspec.Raw = _NULL  # Mistral's


class _Said(msgspec.Struct):
    """Message or delta, with the fields that different servers use for reasoning."""

    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: msgspec.Raw = _NULL
    images: msgspec.Raw = _NULL
    reasoning_content: msgspec.Raw = _NULL
    reasoning: msgspec.Raw = _NULL
    reasoning_text: msgspec.Raw = _NULL
    thinking: msgspec.Raw = _NULL
    reasoning_details: msgspec.Raw = _NULL
    thinking_blocks: msgspec.Raw = _NULL


class _Choice(msgspec.Struct):
    error: msgspec.Raw = _NULL
    index: int | None = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    usage: msgspec.Raw = _NULL


_CHOICES = msgspec.json.Decoder(list[_Choice])


class _Groq(msgspec.Struct):
    error: msgspec.Raw = _NULL


_GROQ = msgspec.json.Decoder(_Groq)


def read_answer(body: bytes, secrets: tuple[str, ...] = ()) -> Answer:
    """Parse a plain answer. Raises ProviderError for the error that it reports, or if it is malformed."""
    return read_usual(body) or read_any(body, secrets)


def read_any(body: bytes, secrets: tuple[str, ...] = ()) -> Answer:
    """Parse a plain answer of any kind, as `read_answer` does."""
    try:
        fields = decode(_FIELDS, body)
        choices = _choices(fields)
    except (msgspec.DecodeError, RecursionError):
        raise malformed("not a chat completion in JSON" if body else "an empty body") from None
    usage = find_usage(fields)
    _raise_told(fields, choices, usage, secrets)
    text_bytes, lives, text, said = 0, False, None, False
    for choice in choices:
        if choice.message is None:
            continue
        size, speaks, thinks, told = _measure(choice.message)
        if not said:
            text, said = told, True
        text_bytes += size
        lives = lives or speaks or thinks
    if not said:
        raise malformed("no choices with a message")
    lives = lives or _has_unknown_thoughts(fields)
    if not lives and not any(says_by_itself(choice.finish_reason) for choice in choices):
        raise empty(usage)
    return Answer(
        fields=fields,
        usage=usage,
        finish_reason=choices[0].finish_reason,
        text_bytes=text_bytes,
        text=text,
    )


class ChunkReader:
    """Parser of the events of one stream. A missing usage, finish reason or `[DONE]` is accepted.

    `choices` is the number asked for: a later choice may begin long after the earlier ones have finished.
    """

    __slots__ = (
        "_choices",
        "_finished",
        "_open",
        "_secrets",
        "_templates_left",
        "alive",
        "complete",
        "ended",
        "finished",
        "template",
    )

    def __init__(self, secrets: tuple[str, ...] = (), choices: int = 1) -> None:
        self._secrets = secrets
        self._choices = choices
        self._open: set[int] = set()  # the choices that have begun and not finished
        self._finished: set[int] = set()
        self.template: Template | None = None
        self._templates_left = _MOST_TEMPLATES
        self.alive = self.finished = self.complete = self.ended = False

    def read(self, event: bytes) -> Chunk | None:
        """Parse one event. Raises ProviderError for the error that it reports, or if it is malformed."""
        template, self.template = self.template, None
        if template is not None and template.matched > 1:
            self._templates_left = _MOST_TEMPLATES
        if event.strip() == DONE:
            self.ended = True
            return None
        try:
            fields = decode(_FIELDS, event)
            choices = _choices(fields)
        except (msgspec.DecodeError, RecursionError):
            raise malformed("an event of the stream is not a chunk in JSON") from None
        usage = find_usage(fields, choices[0].usage if choices else None)
        _raise_told(fields, choices, usage, self._secrets)
        chunk = Chunk(fields, says=False, usage=usage)
        for choice in choices:
            self._take(choice, chunk)
        lives = chunk.says or chunk.thinks
        if choices and not lives:
            lives = chunk.thinks = _has_unknown_thoughts(fields)
        self.alive = self.alive or lives
        if self._templates_left and len(choices) == 1 and _has_content_alone(choices[0], chunk):
            self._templates_left -= 1
            template = Template.of(event, fields)
            alike = None if template is None else template.run([event])
            if alike is not None and alike.texts == [chunk.text]:
                self.template = template
        return chunk

    def _take(self, choice: _Choice, chunk: Chunk) -> None:
        said, index = choice.delta or choice.message, choice.index or 0
        if said is not None:
            size, speaks, thinks, text = _measure(said)
            chunk.text_bytes += size
            chunk.says = chunk.says or speaks
            chunk.thinks = chunk.thinks or thinks
            if index == 0 and text:
                chunk.text += text
        if choice.finish_reason:
            # A finish after nothing is no answer: another model is asked.
            chunk.says = chunk.says or chunk.thinks or self.alive or says_by_itself(choice.finish_reason)
            if chunk.finish_reason is None or index == 0:
                chunk.finish_reason = choice.finish_reason
            self._open.discard(index)
            self._finished.add(index)
        else:
            self._open.add(index)
        self.finished = not self._open
        self.complete = self.finished and len(self._finished) >= self._choices


def _has_content_alone(choice: _Choice, chunk: Chunk) -> bool:
    """Whether the only choice of a chunk says a text, and nothing else is told."""
    if choice.finish_reason or chunk.thinks or chunk.usage is not None or not chunk.text:
        return False
    return chunk.text_bytes == len(chunk.text.encode())


def _has_unknown_thoughts(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether a field that no server is known for sounds like reasoning and has a value."""
    return _UNKNOWN_THOUGHTS.search(bytes(fields["choices"])) is not None


def _choices(fields: dict[str, msgspec.Raw]) -> list[_Choice]:
    raw = fields.get("choices", _NULL)
    return _CHOICES.decode(raw) if raw != _NULL else []


def _raise_told(
    fields: dict[str, msgspec.Raw], choices: list[_Choice], usage: Usage | None, secrets: tuple[str, ...]
) -> None:
    """Raise the error that stands beside the choices or inside one of them; a broken finish is one too."""
    raw = _told(fields, choices)
    if raw is not None:
        error = refused(read_error(parsed(raw), secrets))
    else:
        for choice in choices:
            if choice.finish_reason in BROKEN_FINISHES:
                error = broken_off(str(choice.finish_reason))
                break
        else:
            return
    error.usage = usage
    raise error


def _told(fields: dict[str, msgspec.Raw], choices: list[_Choice]) -> msgspec.Raw | None:
    # Each part of an answer and each chunk of a stream passes here: what is not there costs a look-up.
    told = fields.get("error", _NULL)
    if told is not _NULL and _is_something(told):
        return told
    for choice in choices:
        if choice.error is not _NULL and _is_something(choice.error):
            return choice.error
    bare = "choices" not in fields and _is_bare_error(fields)
    if bare or fields.get("object") == _IS_ERROR or fields.get("type") == _IS_ERROR:
        return msgspec.Raw(msgspec.json.encode(fields))
    if "x_groq" in fields:
        try:
            inner = _GROQ.decode(fields["x_groq"]).error
        except msgspec.DecodeError:
            return None
        return inner if _is_something(inner) else None
    return None


def _is_bare_error(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether an error stands alone, as in `event: error`: FastAPI's `detail`, or a message beside a code."""
    return "detail" in fields or ("message" in fields and not _CODES.isdisjoint(fields))


def _is_something(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in _NOTHING


def _text(said: _Said) -> str | None:
    if isinstance(said.content, list):
        return "".join(part.text for part in said.content if part.type == "text")
    return said.content


def _measure(said: _Said) -> tuple[int, bool, bool, str | None]:
    """The bytes of content and reasoning; whether there is content; whether there is reasoning; the content's text."""
    content, text = said.content, _text(said)
    size = 0
    if text:
        size = len(text) if text.isascii() else len(text.encode())
    if said.refusal:
        size += len(said.refusal)
    if said.tool_calls or said.function_call:
        size += _call_bytes(said)
    speaks = (
        size > 0
        or bool(said.tool_calls)
        or (isinstance(content, list) and any(part.type not in _WORDS for part in content))
        or (said.audio is not _NULL and _is_something(said.audio))
        or (said.images is not _NULL and _is_something(said.images))
    )
    thought = _thought_bytes(said)
    return size + thought, speaks, thought > 0, text


def _call_bytes(said: _Said) -> int:
    """The bytes of the names and arguments of tool calls."""
    calls = [call.function for call in said.tool_calls or () if call.function]
    if said.function_call:
        calls.append(said.function_call)
    return sum(len(raw) - 2 for function in calls for raw in (function.name, function.arguments) if _is_something(raw))


def _thought_bytes(said: _Said) -> int:
    """The bytes of reasoning. Some servers repeat it in several fields: the first one with any counts."""
    told = (
        said.reasoning_content,
        said.reasoning,
        said.reasoning_text,
        said.thinking,
        said.reasoning_details,
        said.thinking_blocks,
    )
    for raw in () if told == _NO_THOUGHTS else told:
        if raw is not _NULL and _is_something(raw):
            return max(len(raw) - 2, 1)
    if isinstance(said.content, list):
        for part in said.content:
            if part.type == "thinking" and _is_something(part.thinking):
                return max(len(part.thinking) - 2, 1)
    return 0
