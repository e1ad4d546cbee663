"""One HTTP/1.1 connection: a request's bytes go out, one response at a time comes in, parsed by llhttp."""

import asyncio
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.providers.http.errors import Fault, TransportError

HIGH_WATER = 128 * 1024
"""Bytes of a body that wait to be read before the provider is made to wait."""
HEADERS_LIMIT = 64 * 1024
_LATE = "the provider did not answer in time"
_WHOLE_IN_ONE = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection, and the response that is on its way. One request at a time.

    `complete`: the response has been received whole. `standing`: nothing has ended or spoilt the connection.
    """

    __slots__ = (
        "_buffered",
        "_error",
        "_header_bytes",
        "_interim",
        "_keep_alive",
        "_loop",
        "_parser",
        "_parts",
        "_paused",
        "_silent",
        "_transport",
        "_until_end",
        "_waiter",
        "complete",
        "headers",
        "idle_since",
        "standing",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self.standing = True
        self._paused = False
        self.idle_since = 0.0
        self._expect()
        self.complete = True  # nothing is asked yet

    def _expect(self) -> None:
        self._parser = HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._buffered = self._header_bytes = 0
        self._error: TransportError | None = None
        self._silent, self._interim, self._keep_alive, self._until_end = True, False, False, False
        self.status = 0
        self.headers: dict[str, str] = {}  # names in lower case
        self.complete = False

    def request(self, head: bytes, body: bytes) -> None:
        """Send a request; the response is then to be waited for."""
        self._expect()
        transport = self._transport
        if transport is None or not self.standing:
            self._break(Fault.LOST, "the provider closed the connection")
        elif len(body) <= _WHOLE_IN_ONE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    async def head(self, limit: float) -> None:
        """Wait for the response's status and headers. Raises TransportError."""
        while self.status == 0:
            if self._error is not None:
                raise self._error
            await self._wait(limit)

    async def some(self, limit: float) -> bytes:
        """The part of the body that has come, or comes next; b"" at its end. Raises TransportError."""
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            await self._wait(limit)
        parts = self._parts
        self._parts, self._buffered = [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def reusable(self) -> bool:
        """Whether the connection can serve another request."""
        transport = self._transport
        return (
            self.complete
            and self._keep_alive
            and self.standing
            and transport is not None
            and transport.get_write_buffer_size() == 0
        )

    def abort(self) -> None:
        """Close at once; what is still on its way is lost."""
        self.standing = False
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, limit: float) -> None:
        if self._loop.time() >= limit:
            # Asked here too: where bytes come without a pause, the timer never gets its turn.
            raise TransportError(Fault.TIMEOUT, _LATE)
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(limit, _expire, waiter)
        try:
            if not await waiter:
                raise TransportError(Fault.TIMEOUT, _LATE)
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    def _break(self, fault: Fault, message: str) -> None:
        if self._error is None:
            self._error = TransportError(fault, message, before_any_byte=self._silent and fault is Fault.LOST)
        self.abort()
        self._wake()

    def _garbled(self) -> None:
        """What has come is no response; behind a whole one it spoils the connection, not the response."""
        if self.complete:
            self.abort()
        else:
            self._break(Fault.GARBLED, "the provider's answer is not HTTP")

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.complete:
            # Nobody asked: whatever this is, it must not be taken for the next response.
            self.abort()
            return
        self._silent = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._garbled()
        if self._buffered > HIGH_WATER and not self._paused and not self.complete and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.standing = False
        if not self.complete:
            if self._until_end and exc is None:
                self.complete = True
            elif self._silent:
                self._break(Fault.LOST, "the provider closed the connection")
            else:
                self._break(Fault.LOST, "the provider closed the connection in the middle of its answer")
        self._transport = None
        self._wake()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A response begins; a second one is one too many."""
        if self.complete:
            self.standing = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; one that comes twice is joined."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADERS_LIMIT:
            self._break(Fault.GARBLED, "the provider's answer has too many headers")
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """All headers are there; those of an interim response (100, 103) are not the ones."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._interim = True
            self.headers = {}
            return
        if self.complete:
            return
        self._keep_alive = self._parser.should_keep_alive()
        sized = "content-length" in self.headers or "transfer-encoding" in self.headers
        self._until_end = not sized and status not in {204, 304}
        self.status = status

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.complete and self._error is None:
            self._parts.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self._interim:
            self._interim = False
        else:
            self.complete = True


def _expire(waiter: "asyncio.Future[bool]") -> None:
    if not waiter.done():
        waiter.set_result(False)
