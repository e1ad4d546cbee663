"""One call to one provider, whatever its wire format: keys, time limits, and what a failure means."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gateway.providers.http.client import HttpClient, HttpResponse, encode_headers
from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.upstream.error_bodies import read_error, read_refusal
from gateway.providers.upstream.faults import after_content, empty, lost, malformed, refused
from gateway.providers.upstream.key_rotation import KeyRing
from gateway.providers.upstream.provider import Chunk, ProviderError, Verdict
from gateway.providers.upstream.sse import EventParser, EventTooLarge

LINGER_SECONDS = 2.0
"""How long a finished stream may take to send its usage and its end."""
STREAM_LIMIT = 256 * 1024 * 1024
"""Bytes of one stream. A flowing stream has no limit on time, so this ends one that never ends."""
DRAIN_SECONDS = 0.05
"""How long the end of the body is waited for after the stream's last event, to use the connection again."""
REFUSAL_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A call in a provider's own format. `sent` are the names of the caller's fields in it."""

    url: str
    model: str
    body: bytes
    sent: Collection[str]
    deadline: float  # on the event loop's clock
    silence_seconds: float


class Reader(Protocol):
    """Understands the events of one stream.

    `alive`: something was said or thought. `finished`: every choice that began has ended well; `complete`: and no other
    was asked for. `ended`: nothing more comes.
    """

    alive: bool
    finished: bool
    complete: bool
    ended: bool

    def read(self, event: bytes) -> Chunk | None:
        """What an event means to an OpenAI client. Raises ProviderError for an event that tells of an error."""
        ...


class Upstream:
    """Calls one provider. `authorize` turns a key into headers.

    `timeout_seconds` bounds a plain call, and a stream until its first sign of life; afterwards each time without
    another, whatever pings come meanwhile. `idle_seconds` bounds each time without a byte.
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
        """What no message may hold."""
        return self._keys.secrets

    async def post(self, request: Request) -> bytes:
        """The whole body of a successful answer, as valid UTF-8. Raises ProviderError."""
        limit = self._limit(request)
        try:
            with await self._open(request, limit) as response:
                return as_utf8(await response.read(limit))
        except TransportError as error:
            raise lost(error) from error

    async def stream(self, request: Request, reader: Reader) -> AsyncGenerator[list[Chunk], None]:
        """The chunks of a stream, as many at a time as one network read completed. Raises ProviderError."""
        limit = self._limit(request)
        parser = EventParser()
        watch = _Watch(self._idle_seconds, min(self._timeout_seconds, request.silence_seconds), limit)
        try:
            with await self._open(request, limit) as response:
                await self._expect_events(response, limit)
                while not reader.ended and (data := await self._next(response, reader, watch)):
                    chunks, broken = _read_all(parser, data, reader)
                    if chunks:
                        yield chunks
                    # Behind the yield: a client that takes its time is no silence of the provider's.
                    watch.saw(len(data), lives=any(chunk.lives for chunk in chunks))
                    if broken is not None:
                        raise broken
                if chunks := [chunk for event in parser.finish() if (chunk := _read_last(event, reader))]:
                    yield chunks
                if not (reader.ended or reader.finished):
                    raise ProviderError(Verdict.FAILED, "the stream broke off before its end")
                if not reader.alive:
                    raise empty()
                await _drain(response)
        except TransportError as error:
            raise _told(lost(error), reader) from error
        except ProviderError as error:
            raise _told(error, reader) from error.__cause__

    async def _next(self, response: HttpResponse, reader: Reader, watch: "_Watch") -> bytes:
        """The next bytes, within the limits on silence; none, without a complaint, if the answer is whole."""
        try:
            return await response.read_some(watch.limit(reader))
        except TransportError as error:
            if reader.finished:
                return b""
            if error.fault is Fault.TIMEOUT and reader.alive:
                raise ProviderError(Verdict.TIMEOUT, "the provider fell silent in the middle of its answer") from None
            raise

    def _limit(self, request: Request) -> float:
        return min(request.deadline, asyncio.get_running_loop().time() + self._timeout_seconds)

    async def _open(self, request: Request, limit: float) -> HttpResponse:
        """Send the request until a key is accepted."""
        loop = asyncio.get_running_loop()
        while True:
            key = self._keys.pick(request.model, loop.time())
            response = await self._client.send("POST", request.url, self._headers[key], request.body, limit)
            if 200 <= response.status < 300:
                return response
            refusal = await self._refusal(response, request, limit)
            if not self._keys.another(key, request.model, refusal, loop.time()):
                raise refusal

    async def _refusal(self, response: HttpResponse, request: Request, limit: float) -> ProviderError:
        with response:
            try:
                body = await response.read(limit, REFUSAL_LIMIT)
            except TransportError:
                body = b""
        told = read_refusal(response.status, response.headers, body, self.secrets, time.time())
        return refused(told, request.sent, request.model)

    async def _expect_events(self, response: HttpResponse, limit: float) -> None:
        """Refuse what can't be an event stream; a JSON answer may tell of an error. Raises ProviderError."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {"application/json", "text/html"}:
            return
        try:
            body = await response.read(limit, REFUSAL_LIMIT)
        except TransportError:
            body = b""
        raise_told_error(body, self.secrets)
        raise malformed(f"{kind} where an event stream was asked for")


class _Watch:
    """The limits of one stream: on the loop's clock until its first sign of life, on each silence, on all its bytes."""

    __slots__ = ("_bytes", "_first_limit", "_idle_seconds", "_last_limit", "_lived_at", "_loop", "_silence_seconds")

    def __init__(self, idle_seconds: float, silence_seconds: float, first_limit: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle_seconds = min(idle_seconds, silence_seconds)
        self._silence_seconds = silence_seconds
        self._first_limit = first_limit
        self._last_limit: float | None = None  # once the answer is complete
        self._lived_at = first_limit
        self._bytes = 0

    def saw(self, size: int, *, lives: bool) -> None:
        """Some bytes have come. Raises ProviderError if they are too many."""
        self._bytes += size
        if self._bytes > STREAM_LIMIT:
            raise malformed(f"a stream of more than {STREAM_LIMIT:,} bytes")
        if lives:
            self._lived_at = self._loop.time()

    def limit(self, reader: Reader) -> float:
        """Until when the next bytes must have come."""
        now = self._loop.time()
        if reader.complete:
            if self._last_limit is None:
                self._last_limit = now + LINGER_SECONDS
            return self._last_limit
        if reader.alive:
            return min(now + self._idle_seconds, self._lived_at + self._silence_seconds)
        return self._first_limit


def _told(error: ProviderError, reader: Reader) -> ProviderError:
    return after_content(error) if reader.alive else error


def raise_told_error(body: bytes, secrets: tuple[str, ...]) -> None:
    """Raise the error that an answer with status 200 holds; nothing if it holds none."""
    with contextlib.suppress(msgspec.DecodeError):
        parsed = msgspec.json.decode(body, type=dict[str, object])
        if told := parsed if parsed.get("object") == "error" else parsed.get("error"):
            raise refused(read_error(told, secrets))


def as_utf8(data: bytes) -> bytes:
    """The same bytes; where they are not UTF-8, with U+FFFD in place of what is not, as the SSE standard decodes."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace").encode()
    return data


def _read_all(parser: EventParser, data: bytes, reader: Reader) -> tuple[list[Chunk], ProviderError | None]:
    """The chunks that these bytes complete, and what is wrong with the event behind them."""
    chunks: list[Chunk] = []
    try:
        for event in parser.feed(data):
            chunk = reader.read(as_utf8(event)) if event else None
            if chunk is not None:
                chunks.append(chunk)
            if reader.ended:
                break
    except EventTooLarge as error:
        return chunks, malformed(str(error))
    except ProviderError as error:
        return chunks, error
    return chunks, None


def _read_last(event: bytes, reader: Reader) -> Chunk | None:
    """An event without its closing blank line: taken if it is whole."""
    try:
        return reader.read(as_utf8(event)) if event else None
    except ProviderError:
        return None


async def _drain(response: HttpResponse) -> None:
    """Wait a moment for the end of the body, so that the connection can be used again."""
    limit = asyncio.get_running_loop().time() + DRAIN_SECONDS
    with contextlib.suppress(TransportError):
        await response.read(limit, REFUSAL_LIMIT)
