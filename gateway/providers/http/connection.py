"""One HTTP/1.1 connection: a request's bytes go out, one response at a time comes in, parsed by llhttp."""

import asyncio
import re
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.providers.http.errors import Fault, TransportError

HIGH_WATER = 128 * 1024
"""Bytes of a body that wait to be read before the provider is made to wait."""
HEADERS_LIMIT = 64 * 1024
LATE = "the provider did not answer in time"
_WHOLE_IN_ONE = 64 * 1024
_OBSOLETE = re.compile(rb"\n[ \t]|\ntransfer-encoding", re.IGNORECASE)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_TE_IDENTITY = re.compile(rb"\r?\ntransfer-encoding:[ \t]*identity[ \t]*(?=\r?\n)", re.IGNORECASE)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


class Connection(asyncio.Protocol):
    """A connection, and the response that is on its way. One request at a time.

    `complete`: the response has been received whole. `standing`: nothing has ended or spoilt the connection.
    """

    __slots__ = (
        "_buffered",
        "_error",
        "_head",
        "_header_bytes",
        "_interim",
        "_keep_alive",
        "_loop",
        "_obsolete",
        "_parser",
        "_parts",
        "_paused",
        "_silent",
        "_transport",
        "_unparsed_bytes",
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
        self._parts: list[bytes] = []
        self._buffered = 0
        self._error: TransportError | None = None
        self._silent = True
        self._head = b""  # the status line and headers as they came, until they are complete
        self._obsolete = False  # whether the head has to be modernised before llhttp takes it
        self.complete = False
        self._begin_parsing()

    def _begin_parsing(self) -> None:
        self._parser = HttpResponseParser(self)
        # Strict but for what harmless servers do: lines that end with LF alone, spaces behind a chunk's size.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._header_bytes = self._unparsed_bytes = 0
        self._interim, self._keep_alive, self._until_end = False, False, False
        self.status = 0
        self.headers: dict[str, str] = {}  # names in lower case

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
            raise TransportError(Fault.TIMEOUT, LATE)
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(limit, _expire, waiter)
        try:
            if not await waiter:
                raise TransportError(Fault.TIMEOUT, LATE)
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
        self._parse(data)
        # Counted apart from whole headers: a header that never ends is never reported to us.
        if self._header_bytes + self._unparsed_bytes > HEADERS_LIMIT and not self.complete:
            self._break(Fault.GARBLED, "the provider's answer has too many headers")
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

    def _parse(self, data: bytes) -> None:
        self._unparsed_bytes += len(data)
        if self.status == 0:
            self._head += data
            if self._obsolete:
                self._parse_modernised(len(data))
                return
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            if self.status == 0 and _OBSOLETE.search(self._head):
                self._obsolete = True
                self._parse_modernised(len(self._head))
            else:
                self._garbled()
        except HttpParserUpgrade:
            self._garbled()

    def _parse_modernised(self, new_bytes: int) -> None:
        """Parse the head anew once it is complete: so it is modernised once, in however many pieces it comes."""
        if not _END_OF_HEAD.search(self._head, max(len(self._head) - new_bytes - 3, 0)):
            return
        head = _modernised(self._head)
        self._begin_parsing()
        try:
            self._parser.feed_data(head)
        except (HttpParserError, HttpParserUpgrade):
            self._garbled()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A response begins; a second one is one too many."""
        if self.complete:
            self.standing = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; one that comes twice is joined. Trailers are counted and dropped."""
        self._header_bytes += len(name) + len(value)
        self._unparsed_bytes = 0
        if self.status:
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
        codings = _transfer_codings(self.headers.get("transfer-encoding", ""))
        if codings not in ([], ["chunked"]):
            self._break(Fault.GARBLED, "the provider's answer has a transfer coding that was not asked for")
        self._keep_alive = self._parser.should_keep_alive()
        self._until_end = not codings and "content-length" not in self.headers and status not in {204, 304}
        self.status = status
        self._head = b""

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.complete and self._error is None:
            self._parts.append(body)
            self._buffered += len(body)
        self._unparsed_bytes = 0

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self._interim:
            self._interim = False
        else:
            self.complete = True


def _expire(waiter: "asyncio.Future[bool]") -> None:
    if not waiter.done():
        waiter.set_result(False)


def _transfer_codings(value: str) -> list[str]:
    """The codings of a `Transfer-Encoding` header, without `identity`, which means none."""
    return [name for coding in value.split(",") if (name := coding.strip().lower()) not in {"", "identity"}]


def _modernised(head: bytes) -> bytes:
    """A head without what obsolete HTTP allowed: folded lines become one, `Transfer-Encoding: identity` goes.

    llhttp refuses both, the second beside `Content-Length`; RFC 9112 §5.2 tells user agents to unfold.
    """
    first = head.find(b"\n") + 1
    if head[first : first + 1] in {b" ", b"\t"}:
        return head  # a fold behind the status line would be a header without a name
    end = _END_OF_HEAD.search(head)
    stop = end.end() if end else len(head)
    return _TE_IDENTITY.sub(b"", _FOLD.sub(b" ", head[:stop])) + head[stop:]
