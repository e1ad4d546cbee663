"""HTTP/1.1 connection as an asyncio protocol: sends one request at a time, parses its response with llhttp."""

import asyncio
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.providers.http.chunks import Shortcut, transfer_codings, whole_chunks
from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.http.obsolete_head import END_OF_HEAD, OBSOLETE, modernised
from gateway.providers.http.plain_answer import plain_body
from gateway.providers.http.waiting import Waiting

HIGH_WATER = 128 * 1024
"""Reading from the socket pauses while more bytes of the body than this wait to be read."""
MAX_HEADER_BYTES = 64 * 1024
_JOINED_BYTES = 64 * 1024  # up to this size, head and body are joined into one write


class Connection(Waiting, asyncio.Protocol):
    """Connection and the response being received on it. One request at a time; not thread-safe.

    `complete`: the response has been received completely. `is_open`: the connection has neither closed nor received
    bytes that belong to no response. Every `deadline` is on the event loop's clock.
    """

    __slots__ = (
        "_buffered",
        "_error",
        "_head",
        "_interim",
        "_is_between_chunks",
        "_is_new",
        "_is_obsolete",
        "_keep_alive",
        "_no_byte_yet",
        "_parser",
        "_parts",
        "_paused",
        "_takes_plain",
        "_transport",
        "_unbodied_bytes",
        "_until_end",
        "complete",
        "headers",
        "idle_since",
        "is_open",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._transport: asyncio.Transport | None = None
        self.is_open = True
        self._paused = False
        self._takes_plain = False  # `ask` waits for a whole plain answer, of which nothing has been received
        self.idle_since = 0.0
        self._new_parser()  # which is at a response's end whenever the connection is reused
        self._reset()
        self.complete = True  # no request has been sent yet

    def _reset(self) -> None:
        self._parts: list[bytes] = []
        self._buffered = 0
        self._error: TransportError | None = None
        self._no_byte_yet = True
        self._head = b""  # the status line and headers as they came, until they are complete
        self._is_obsolete = False  # the head has to be modernised before llhttp accepts it
        self._is_new = True  # as set here: the parser has been given nothing since
        self._begin_parsing()

    def _new_parser(self) -> None:
        self._parser = HttpResponseParser(self)
        # Two leniencies that can't shift where a response ends: lines that end with LF alone, and spaces after a
        # chunk size.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)

    def _begin_parsing(self) -> None:
        self._unbodied_bytes = 0
        self._is_between_chunks = False  # of the chunked coding: the parser needn't see a whole one
        self._interim, self._keep_alive, self._until_end = False, False, False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}  # names in lower case

    def ask(self, head: bytes, body: bytes, deadline: float) -> "asyncio.Future[bytes | None]":
        """Send a request; what is done once anything has been received. Raises TransportError.

        Its result is the body of a plain answer that was received at once: the response is complete then, and has been
        read. It is None for any other: wait until it is `answered`. Abort the connection if anything is raised.
        """
        self._send(head, body)
        if self._error is not None:
            raise self._error
        self._takes_plain = True
        return self._wait(deadline)

    async def exchange(self, head: bytes, body: bytes, deadline: float) -> None:
        """Send a request and wait for the response's status and headers. Raises TransportError, and aborts."""
        try:
            self._send(head, body)
            await self.answered(deadline)
        except BaseException:
            self.abort()
            raise

    async def answered(self, deadline: float) -> None:
        """Wait for the response's status and headers. Raises TransportError."""
        while self.status == 0:
            if self._error is not None:
                raise self._error
            await self._wait(deadline)

    def _send(self, head: bytes, body: bytes) -> None:
        if not self._is_new:
            self._reset()
        self.complete = False
        transport = self._transport
        if transport is None or not self.is_open:
            self._break(Fault.LOST, "the provider closed the connection")
        elif len(body) <= _JOINED_BYTES:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    async def read_some(self, deadline: float, shortcut: Shortcut | None = None) -> bytes:
        """Return the part of the body that has been received, or wait for it; b"" at its end. Raises TransportError.

        What comes meanwhile is offered to the shortcut, whose own deadline holds.
        """
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            self._shortcut = shortcut
            await self._wait(deadline if shortcut is None else shortcut.deadline)
            self._shortcut = None
        return self._take()

    def take_all(self) -> bytes | None:
        """Return what is left of the body if all of it has been received; None if it has to be waited for."""
        return self._take() if self.complete and self._error is None else None

    def _take(self) -> bytes:
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
            and self.is_open
            and transport is not None
            and transport.get_write_buffer_size() == 0
        )

    def abort(self) -> None:
        """Close at once and discard unsent and unread bytes."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def _break(self, fault: Fault, message: str) -> None:
        if self._error is None:
            self._error = TransportError(fault, message, before_any_byte=self._no_byte_yet and fault is Fault.LOST)
        self.abort()
        self._wake()

    def _garbled(self) -> None:
        """Bytes that are not HTTP: an error of this response, or, after a complete one, of the connection alone."""
        if self.complete:
            self.abort()
        else:
            self._break(Fault.GARBLED, "the provider's answer is not HTTP")

    # Callbacks of the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is established."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes were received."""
        if self._is_between_chunks and not (data := self._take_chunks(data)):
            return
        if self.complete:
            # Bytes without a request: they must not be read as the response to the next one.
            self.abort()
            return
        waiter = self._waiter
        if self._takes_plain:
            self._takes_plain = False
            if waiter is not None and not waiter.done() and (whole := plain_body(data)) is not None:
                self.complete = self._keep_alive = True
                self._waiter = None  # an idle connection must not hold the body
                waiter.set_result(whole)
                return
        if self.status == 0 and b"chunked\r\n" in data and 3 < (end := data.find(b"\r\n\r\n") + 4) < len(data):
            self.data_received(data[:end])  # the head apart: whole chunks may have come with it
            self.data_received(data[end:])
            return
        self._parse(data)
        if not self.complete:
            # Whatever is no part of a body counts: the parser doesn't report a header that never ends.
            if self._unbodied_bytes > MAX_HEADER_BYTES:
                self._break(Fault.GARBLED, "the provider's answer has too many headers")
            if self._buffered > HIGH_WATER:
                self._pause()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _take_chunks(self, data: bytes) -> bytes:
        """Take the whole chunks that data begins with, and return what follows them: the parser's."""
        body, end = whole_chunks(data)
        if not body:
            return data
        waiter, shortcut = self._waiter, self._shortcut
        waits = waiter is not None and not waiter.done()
        if not (waits and shortcut is not None and end == len(data) and shortcut.take(body)):
            self.on_body(body)
            self._wake()
            if self._buffered > HIGH_WATER:
                self._pause()
        return data[end:]

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection was closed."""
        self.is_open = False
        self._stop_timer()
        if not self.complete:
            if self._until_end and exc is None:
                self.complete = True
            elif self._no_byte_yet:
                self._break(Fault.LOST, "the provider closed the connection")
            else:
                self._break(Fault.LOST, "the provider closed the connection in the middle of its answer")
        self._transport = None
        self._wake()
        self._shortcut = None
        del self._parser  # which refers to this: memory that only the next collection would free

    def _parse(self, data: bytes) -> None:
        self._is_new = self._no_byte_yet = False
        self._unbodied_bytes += len(data)
        if self.status == 0:
            self._head += data
        try:
            if self._is_obsolete and self.status == 0:
                self._parse_modernised(len(data))
            else:
                self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._refuse(error)
        if self._is_between_chunks and not data.endswith(b"\n"):
            self._is_between_chunks = False  # a part of the next one's size has come

    def _refuse(self, error: HttpParserError | HttpParserUpgrade) -> None:
        """Take what the parser refuses for a head of older HTTP, if it can be, else for no HTTP."""
        if isinstance(error, HttpParserError) and self.status == 0 and OBSOLETE.search(self._head):
            self._is_obsolete = True
            self._parse_modernised(len(self._head))
        else:
            self._garbled()

    def _parse_modernised(self, new_bytes: int) -> None:
        """Parse the whole head again once it is complete: parts of it can't be modernised."""
        if not END_OF_HEAD.search(self._head, max(len(self._head) - new_bytes - 3, 0)):
            return
        head = modernised(self._head)
        self._new_parser()
        self._begin_parsing()
        try:
            self._parser.feed_data(head)
        except (HttpParserError, HttpParserUpgrade):
            self._garbled()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """A response begins; a second one for the same request makes the connection unusable."""
        if self.complete:
            self.is_open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header: repeated ones are joined, trailers are dropped."""
        if self.status:
            return
        name = name.lower()
        former = self.headers.get(name)
        self.headers[name] = value if former is None else b"%b, %b" % (former, value)

    def on_headers_complete(self) -> None:
        """The headers are complete; those of interim responses (100, 103) are dropped."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._interim = True
            self.headers = {}
            return
        if self.complete:
            return
        coding = self.headers.get(b"transfer-encoding", b"")
        codings = transfer_codings(coding)
        if codings not in ([], [b"chunked"]):
            self._break(Fault.GARBLED, "the provider's answer has a transfer coding that was not asked for")
        self._keep_alive = self._parser.should_keep_alive()
        self._until_end = not codings and b"content-length" not in self.headers and status not in {204, 304}
        self.status = status
        self._head = b""
        self._is_between_chunks = coding.lower() == b"chunked"  # beside `identity` the parser says whether it is

    def on_body(self, body: bytes) -> None:
        """A part of the body was received."""
        if not self.complete and self._error is None:
            self._parts.append(body)
            self._buffered += len(body)
        self._unbodied_bytes = 0

    def on_chunk_header(self) -> None:
        """The size of a chunk was received."""
        self._is_between_chunks = False

    def on_chunk_complete(self) -> None:
        """A chunk was received."""
        self._is_between_chunks = True

    def on_message_complete(self) -> None:
        """The response, interim or final, is complete."""
        self._is_between_chunks = False
        if self._interim:
            self._interim = False
        else:
            self.complete = True
