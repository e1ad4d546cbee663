"""Calls a provider over HTTP, in any wire format: key rotation, time limits, errors."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TypeAlias

from bandit.quick import quick_dataclass
from gateway.providers.http.client import HttpClient, HttpResponse, encode_headers
from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.upstream.dialect import Dialect
from gateway.providers.upstream.error_bodies import parsed, read_error, read_refusal
from gateway.providers.upstream.faults import after_content, empty, lost, malformed, refused
from gateway.providers.upstream.key_rotation import KeyRing
from gateway.providers.upstream.provider import Answer, Call, Chunk, ProviderError, Verdict
from gateway.providers.upstream.reader import Reader
from gateway.providers.upstream.shortcut import RunShortcut
from gateway.providers.upstream.sse import EventParser, EventTooLarge
from gateway.providers.upstream.stream_limits import StreamLimits
from gateway.providers.upstream.template import Relay

DRAIN_SECONDS = 0.05
"""How long to wait for the end of the body after the last event, so that the connection can be reused."""
MAX_REFUSAL_BYTES = 64 * 1024
_NO_FIELDS: frozenset[str] = frozenset()


@quick_dataclass(frozen=True, slots=True)
class Request:
    """HTTP request in a provider's wire format. `sent` are the caller's fields in it."""

    url: str
    model: str
    body: bytes
    sent: Mapping[str, object]
    deadline: float  # on the event loop's clock
    silence_seconds: float
    trace_headers: bytes = b""


ReadWhole: TypeAlias = Callable[[bytes, tuple[str, ...]], Answer]
"""Reads a whole answer, which is valid UTF-8; the keys are to be redacted from messages."""

AskWhole: TypeAlias = Callable[[Call, frozenset[str]], tuple[Request, ReadWhole]]
"""Makes a call's request without the fields of these names, and what reads its answer."""

Ask: TypeAlias = Callable[[frozenset[str]], tuple[Request, Reader]]
"""Makes a request without the fields of these names, and the reader of its stream."""


class Upstream:
    """Client of one provider. `authorize` makes the headers for a key.

    `timeout_seconds` limits a plain call, and the time to a stream's first content or reasoning; afterwards each time
    without any, even if pings arrive. `idle_seconds` limits each time without a byte.
    """

    def __init__(
        self,
        client: HttpClient,
        keys: KeyRing,
        authorize: Callable[[str], Mapping[str, str]],
        timeout_seconds: float,
        idle_seconds: float,
    ) -> None:
        self._client = client
        self._keys = keys
        self._headers = {key: encode_headers(authorize(key)) for key in (*keys.secrets, "")}
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = min(idle_seconds, timeout_seconds)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys, to be redacted from messages."""
        return self._keys.secrets

    async def complete(self, call: Call, ask: AskWhole, dialect: Dialect) -> Answer:
        """Send the request of a call and return its whole answer. Raises ProviderError.

        A request that is refused for some fields is sent again without them.
        """
        without, keys, loop = _NO_FIELDS, self._keys, asyncio.get_running_loop()
        while True:
            request, read = ask(call, without)
            now = loop.time()
            deadline = min(request.deadline, now + self._timeout_seconds)
            key = keys.pick(request.model, now) if keys.only is None else keys.only
            try:
                body = await self._client.ask(
                    request.url, self._headers[key] + request.trace_headers, request.body, deadline
                )
                if not isinstance(body, bytes):
                    body = await self._body(body, request, key, deadline)
                return read(body if body.isascii() else as_utf8(body), keys.secrets)
            except TransportError as error:
                raise lost(error) from error
            except ProviderError as error:
                without = dialect.again(request.model, request.sent, error, without, loop.time())

    async def stream(self, ask: Ask, dialect: Dialect, relay: Relay | None = None) -> AsyncGenerator[list[Chunk], None]:
        """Send a request and yield its chunks, those of one network read at a time. Raises ProviderError.

        Those that the relay takes are not yielded. A request that is refused for some fields is sent again without.
        """
        without: frozenset[str] = frozenset()
        while True:
            request, reader = ask(without)
            deadline = self._deadline(request)
            parser = EventParser()
            limits = StreamLimits(self._idle_seconds, min(self._timeout_seconds, request.silence_seconds), deadline)
            shortcut = None if relay is None else RunShortcut(relay, limits)
            try:
                with await self._open(request, deadline) as response:
                    await self._expect_events(response, deadline)
                    while not reader.ended:
                        limit = limits.deadline(reader)
                        ready = None if shortcut is None else shortcut.ready(reader, parser, limit)
                        try:
                            data = await response.read_some(limit, ready)
                        except TransportError as error:
                            _require_finished(reader, error)
                            break
                        if not data:
                            break
                        chunks, broken = _read_all(parser, data, reader)
                        if chunks:
                            yield chunks
                        # After the yield, so that a client that reads slowly doesn't count as the provider's silence.
                        limits.received(len(data), chunks)
                        if broken is not None:
                            raise broken
                    if chunks := [chunk for event in parser.finish() if (chunk := _read_last(event, reader))]:
                        yield chunks
                    if not (reader.ended or reader.finished):
                        raise ProviderError(Verdict.FAILED, "the stream broke off before its end")
                    if not reader.alive:
                        raise empty()
                    await _drain(response)
                return
            except TransportError as error:
                raise _told(lost(error), reader) from error
            except ProviderError as error:
                now = asyncio.get_running_loop().time()
                without = dialect.again(request.model, request.sent, _told(error, reader), without, now)

    def _deadline(self, request: Request) -> float:
        return min(request.deadline, asyncio.get_running_loop().time() + self._timeout_seconds)

    async def _open(self, request: Request, deadline: float) -> HttpResponse:
        """Send the request, with another key if one is refused or rate-limited."""
        loop = asyncio.get_running_loop()
        while True:
            key = self._keys.pick(request.model, loop.time())
            response = await self._client.send(
                "POST", request.url, self._headers[key] + request.trace_headers, request.body, deadline
            )
            if 200 <= response.status < 300:
                return response
            await self._refused(response, request, key, deadline)

    async def _body(self, response: HttpResponse, request: Request, key: str, deadline: float) -> bytes:
        """Read the body of a response, after another one with another key if this one was refused."""
        if not 200 <= response.status < 300:
            await self._refused(response, request, key, deadline)
            response = await self._open(request, deadline)
        with response:
            whole = response.take_whole()
            return await response.read(deadline) if whole is None else whole

    async def _refused(self, response: HttpResponse, request: Request, key: str, deadline: float) -> None:
        """Raise what a response refuses the request for, unless another key is free that may succeed."""
        refusal = await self._refusal(response, request, deadline)
        if not self._keys.another(key, request.model, refusal, asyncio.get_running_loop().time()):
            raise refusal

    async def _refusal(self, response: HttpResponse, request: Request, deadline: float) -> ProviderError:
        with response:
            try:
                body = await response.read(deadline, MAX_REFUSAL_BYTES)
            except TransportError:
                body = b""
        told = read_refusal(response.status, response.headers, body, self.secrets, time.time())
        return refused(told, request.sent, request.model)

    async def _expect_events(self, response: HttpResponse, deadline: float) -> None:
        """Raise ProviderError if the response is no event stream: by the error in a JSON body, if it holds one."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {"application/json", "text/html"}:
            return
        try:
            body = await response.read(deadline, MAX_REFUSAL_BYTES)
        except TransportError:
            body = b""
        raise_told_error(body, self.secrets)
        raise malformed(f"{kind} instead of an event stream")


def _require_finished(reader: Reader, error: TransportError) -> None:
    """Take the end of a finished answer for one, however it came. Raises the error, or ProviderError."""
    if reader.finished:
        return
    if error.fault is Fault.TIMEOUT and reader.alive:
        raise ProviderError(Verdict.TIMEOUT, "the provider fell silent in the middle of its answer") from None
    raise error


def _told(error: ProviderError, reader: Reader) -> ProviderError:
    return after_content(error) if reader.alive else error


def raise_told_error(body: bytes, secrets: tuple[str, ...]) -> None:
    """Raise the error that an answer with status 200 reports, if it reports one."""
    told = parsed(body)
    if isinstance(told, dict) and (error := told if told.get("object") == "error" else told.get("error")):
        raise refused(read_error(error, secrets))


def as_utf8(data: bytes) -> bytes:
    """Replace invalid UTF-8 by U+FFFD, as the SSE standard does."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace").encode()
    return data


def _read_all(parser: EventParser, data: bytes, reader: Reader) -> tuple[list[Chunk], ProviderError | None]:
    """Parse bytes: the chunks that they complete, and the error of the event after them."""
    chunks: list[Chunk] = []
    try:
        read_events(parser.feed(data), reader, chunks)
    except EventTooLarge as error:
        return chunks, malformed(str(error))
    except ProviderError as error:
        return chunks, error
    return chunks, None


def read_events(events: list[bytes], reader: Reader, chunks: list[Chunk]) -> None:
    """Add the chunks of these events: those alike are one. Raises ProviderError for the first event that tells one."""
    read = 0
    while read < len(events) and not reader.ended:
        template, event = reader.template, events[read]
        run = None if template is None else template.run(events, read)
        if run is not None:
            chunks.append(Chunk({}, says=True, text_bytes=run.text_bytes, text="".join(run.texts), run=run))
            read += len(run.said)
            continue
        read += 1
        if event and (chunk := reader.read(event if event.isascii() else as_utf8(event))) is not None:
            chunks.append(chunk)


def _read_last(event: bytes, reader: Reader) -> Chunk | None:
    """Parse an event without its closing blank line; None if it is incomplete."""
    try:
        return reader.read(as_utf8(event)) if event else None
    except ProviderError:
        return None


async def _drain(response: HttpResponse) -> None:
    """Read to the end of the body if it arrives at once, so that the connection can be reused."""
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    with contextlib.suppress(TransportError):
        await response.read(deadline, MAX_REFUSAL_BYTES)
