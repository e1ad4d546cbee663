"""One call to one provider, whatever its wire format: keys, time limits, and what a failure means."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from bandit.types import Ending
from gateway.providers.http.client import HttpClient, HttpResponse, encode_headers
from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.upstream.error_bodies import read_error, read_refusal
from gateway.providers.upstream.faults import after_content, lost, malformed, refused
from gateway.providers.upstream.key_rotation import KeyRing
from gateway.providers.upstream.provider import Chunk, ProviderError
from gateway.providers.upstream.sse import EventParser, EventTooLarge

LINGER_SECONDS = 2.0
"""How long a finished stream may take to send its usage and its end."""
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


class Reader(Protocol):
    """Understands the events of one stream.

    `said`: something was said. `finished`: the answer is whole. `ended`: nothing more comes.
    """

    said: bool
    finished: bool
    ended: bool

    def read(self, event: bytes) -> Chunk | None:
        """What an event means to an OpenAI client. Raises ProviderError for an event that tells of an error."""
        ...


class Upstream:
    """The way to one provider. `authorize` turns a key into headers; `timeout_seconds` bounds a plain call, and a
    stream until it speaks; `idle_seconds` bounds its silences afterwards: one that lasts longer has stalled.
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
        try:
            with await self._open(request, limit) as response:
                await self._expect_events(response, limit)
                while not reader.ended and (data := await self._next(response, reader, limit, request.deadline)):
                    chunks, broken = _read_all(parser, data, reader)
                    if chunks:
                        yield chunks
                    if broken is not None:
                        raise broken
                if chunks := [chunk for event in parser.finish() if (chunk := _read_last(event, reader))]:
                    yield chunks
                if not (reader.ended or reader.finished):
                    raise ProviderError(Ending.FAILED, "the stream broke off before its end")
                await _drain(response)
        except TransportError as error:
            raise _told(lost(error), reader) from error
        except ProviderError as error:
            raise _told(error, reader) from error.__cause__

    async def _next(self, response: HttpResponse, reader: Reader, limit: float, deadline: float) -> bytes:
        """The next bytes, within the limits on silence; none, without a complaint, when the answer is whole."""
        if reader.finished:
            limit = min(deadline, asyncio.get_running_loop().time() + LINGER_SECONDS)
        elif reader.said:
            limit = min(deadline, asyncio.get_running_loop().time() + self._idle_seconds)
        try:
            return await response.some(limit)
        except TransportError as error:
            if reader.finished:
                return b""
            if error.fault is Fault.TIMEOUT:
                raise ProviderError(Ending.TIMEOUT, "the provider fell silent in the middle of its answer") from None
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
        return refused(told, request.sent)

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


def _told(error: ProviderError, reader: Reader) -> ProviderError:
    return after_content(error) if reader.said else error


def raise_told_error(body: bytes, secrets: tuple[str, ...]) -> None:
    """Raise the error that an answer with status 200 holds; nothing if it holds none."""
    with contextlib.suppress(msgspec.DecodeError):
        parsed = msgspec.json.decode(body, type=_Told)
        if parsed.error:
            raise refused(read_error(parsed.error, secrets))


class _Told(msgspec.Struct):
    error: object = None


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
