"""Direct way from uvicorn's connection to the flow, for completion requests that are small and whole.

ASGI takes a dictionary for each message, an event for each body and two writes for each answer: a quarter of a plain
completion's CPU time (docs/adr/0017-completions-past-asgi.md). All else is served as ASGI, by the same class: other
paths, large, chunked and compressed bodies, web pages of other origins, HTTP/1.0, pipelined requests.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway import asgi
from gateway.asgi import JSON_HEADERS, STREAM_HEADERS, ClientGone, Head, Headers, Http, require_json, too_large
from gateway.errors import UnsupportedMedia
from gateway.serving.connection_limits import ConnectionLimits, LimitedProtocol
from gateway.serving.known_head import LARGEST_BODY, KnownHead, KnownHeads

log = logging.getLogger(__name__)

_ASGI_ONLY = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"origin"})
_JSON, _STREAM = (b"".join(b"%b: %b\r\n" % each for each in kind) for kind in (JSON_HEADERS, STREAM_HEADERS))


class Completions(Protocol):
    """Answers completion requests: `gateway.app.Gateway`."""

    @property
    def draining(self) -> bool:
        """Whether the server is about to stop: ASGI tells clients then to close their connections."""
        ...

    def router_of(self, url: bytes) -> str | None:
        """The router that a completion is asked of at this URL, if that can be answered without ASGI."""
        ...

    def complete(self, http: Http, router_id: str) -> Coroutine[object, object, None]:
        """Answer one completion request; it gets its id."""
        ...


class DirectProtocol(LimitedProtocol):
    """One client's connection. A request that is answered directly has a `DirectHttp` in place of uvicorn's cycle."""

    completions: Completions | None = None
    heads: KnownHeads
    _exchange: "DirectHttp | None" = None
    _known: KnownHead | None = None
    _missing = 0  # bytes of the body of a request whose head was known: the parser knows nothing of it

    def data_received(self, data: bytes) -> None:
        """Take a request whose head is known as it is; else parse, and remember the head if it is one of ours."""
        known, last, completions = self._known, self.cycle, self.completions
        if (
            known is not None
            and last.response_complete
            and not (self._in_headers or last.more_body)
            and (found := known.body_of(data)) is not None
            and completions is not None
            and not completions.draining
        ):
            self._begin_known(completions, known, *found)
        else:
            self._receive_other(data)

    def _begin_known(self, completions: Completions, known: KnownHead, body: bytes, missing: int) -> None:
        """Begin a request with a known head, of whose body some bytes may be missing."""
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        exchange = DirectHttp(self, completions, known.router_id, known.head, body)
        self._known, self._missing = known, missing
        self._exchange = self.cycle = exchange  # type: ignore[assignment]  # as below
        if missing:
            exchange.more_body = True
            self.received_at = time.monotonic()
        else:
            exchange.begin()

    def _receive_other(self, data: bytes) -> None:
        """Take what is no whole request with the head of the one before."""
        last, completions = self._exchange, self.completions
        if self._missing and last is not None:
            self.received_at = time.monotonic()
            self._take(last, data)
            return
        is_between = self.is_between_requests
        if is_between and completions is not None and not completions.draining:
            known = self.heads.find(data)
            found = None if known is None else known.body_of(data)
            if known is not None and found is not None:
                self._begin_known(completions, known, *found)
                return
        super().data_received(data)
        new = self._exchange
        if is_between and new is not last and new is not None and new.keep_alive:
            self._known = self.heads.add(data, new.router_id, new.head)

    def _take(self, exchange: "DirectHttp", data: bytes) -> None:
        """Take a part of the body of a request whose head was known, and answer it if it is the last one."""
        part, rest = data[: self._missing], data[self._missing :]
        exchange.body += part
        self._missing -= len(part)
        if not self._missing:
            exchange.more_body = False
            exchange.begin()
            if rest:
                super().data_received(rest)  # a request that is pipelined

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered, and let go of it: they refer to each other."""
        super().connection_lost(exc)
        self._exchange = self._known = self.cycle = None  # type: ignore[assignment]  # as before the first request

    def begin_request(self) -> None:
        """Begin a request: what ASGI needs is made once it turns out to be needed."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Take the request, or leave it to uvicorn."""
        self._exchange = self._direct()
        if self._exchange is not None:
            self.end_headers()
            self.cycle = self._exchange  # type: ignore[assignment]  # it has what uvicorn asks of its own
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().begin_request()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body was received."""
        if self._exchange is not None:
            self._exchange.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it."""
        if self._exchange is not None:
            self._exchange.more_body = False
            self._exchange.begin()
        else:
            super().on_message_complete()

    def _direct(self) -> "DirectHttp | None":
        """The exchange for a request that can be answered without ASGI."""
        if self.completions is None or self.parser.get_method() != b"POST":
            return None
        router_id = self.completions.router_of(self.url)
        if router_id is None:
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        if len(headers) != len(self.headers) or not _ASGI_ONLY.isdisjoint(headers):
            return None
        if not length.isdigit() or len(length) > 5 or int(length) > LARGEST_BODY:
            return None
        if self.cycle is not None and not self.cycle.response_complete:  # pipelined
            return None
        if self.parser.get_http_version() != "1.1":
            return None
        head = Head(headers)
        try:
            require_json(head.header)
        except UnsupportedMedia:
            return None
        exchange = DirectHttp(self, self.completions, router_id, head, b"")
        exchange.more_body, exchange.keep_alive = True, self.parser.should_keep_alive()
        return exchange


class DirectHttp(Http):
    """A request and its response on uvicorn's connection: to the flow an `Http`, to uvicorn a cycle.

    uvicorn sets `disconnected` and `keep_alive`, and `set`s its `message_event` when the client has disconnected.
    """

    # What most requests never change stands in the class: an instance has it only once it is set.
    is_compressed = False
    keep_alive = True
    more_body = disconnected = response_complete = False
    standing: Callable[[], Headers] | None = None
    _started = _watched = _cancelled = False
    _task: asyncio.Task[None] | None = None

    def __init__(
        self, protocol: DirectProtocol, completions: Completions, router_id: str, head: Head, body: bytes
    ) -> None:
        self._protocol = protocol
        self._completions = completions
        self.router_id = router_id
        self.head = head
        self.body = body

    # What uvicorn's protocol calls.

    def begin(self) -> None:
        """Answer the request in a task of its own."""
        protocol = self._protocol
        self._task = task = protocol.loop.create_task(self._completions.complete(self, self.router_id))
        protocol.tasks.add(task)  # the server waits for these before it stops, or cancels them
        task.add_done_callback(self._ended)

    @property
    def message_event(self) -> "DirectHttp":
        """What uvicorn sets when the client has disconnected."""
        return self

    @property
    def response_started(self) -> bool:
        """Whether a refusal would be written into the answer."""
        return self._started

    def set(self) -> None:
        """The client has disconnected: cancel the task if it waits for a provider."""
        if self._task is None:
            self.begin()  # the flow counts a request whose body never came
        elif self._watched and self.disconnected and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._protocol.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("request %s ended with an error of our own", self.request_id, exc_info=error)
        if not self.response_complete and not self.disconnected:
            self._protocol.transport.close()

    # What the flow calls.

    async def read_body(self, limit: int) -> bytes:
        """Return the body. Raises RequestTooLarge, ClientGone."""
        return self.take_body(limit)

    def take_body(self, limit: int) -> bytes:
        """Return the body, which has come. Raises RequestTooLarge, ClientGone."""
        if self.disconnected:
            raise ClientGone
        body, self.body = self.body, b""  # an idle connection must not hold it
        if len(body) > limit:
            raise too_large(limit)
        return body

    def watched(self) -> "DirectHttp":
        """Context in which the task is cancelled when the client disconnects, and raises ClientGone instead."""
        return self

    def __enter__(self) -> "DirectHttp":
        if self.disconnected:
            raise ClientGone
        self._watched = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._watched = False
        if self._cancelled and self._task is not None:
            # The cancellation may have come just as the wait ended: uncancel, or the next await is cancelled instead.
            self._task.uncancel()
            if kind is None or issubclass(kind, asyncio.CancelledError):
                raise ClientGone from None

    async def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a complete response in one write."""
        head = self._head(STATUS_LINE[status] + _JSON, headers)
        self._write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self._finish()

    async def start_stream(self, headers: Iterable[tuple[bytes, bytes]], first: bytes) -> None:
        """Send the headers of an event stream and its first events."""
        head = self._head(STATUS_LINE[200] + _STREAM, headers)
        self._write(b"%btransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (head, len(first), first))

    async def write(self, data: bytes) -> None:
        """Send more of a stream; waits while the client reads slowly. Raises ClientGone."""
        self._write(b"%x\r\n%b\r\n" % (len(data), data))
        flow = self._protocol.flow
        if flow.write_paused and not self.disconnected:
            try:
                async with asyncio.timeout(asgi.UNREAD_SECONDS):
                    await flow.drain()
            except TimeoutError:
                raise ClientGone from None

    @property
    def keeps_up(self) -> bool:
        """Whether the client reads as fast as its stream is written."""
        return not (self.disconnected or self._protocol.flow.write_paused)

    def write_now(self, data: bytes) -> None:
        """Send more of a stream."""
        self._write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self, data: bytes) -> None:
        """Send the end of a stream."""
        last = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        self._write(last + b"0\r\n\r\n")
        self._finish()

    def _head(self, start: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The answer's head from a start of it on, but for what tells where its body ends."""
        self._started = True
        own = [*self._protocol.server_state.default_headers, *headers, (b"x-request-id", self.request_id.encode())]
        if self.standing is not None:
            own += self.standing()
        if not self.keep_alive:
            own.append((b"connection", b"close"))
        lines, breaks = b"\r\n".join(map(b": ".join, own)), len(own) - 1
        if lines.count(b"\n") != breaks or lines.count(b"\r") != breaks:
            raise RuntimeError("a line break in a header")
        return b"%b%b\r\n" % (start, lines)

    def _write(self, data: bytes) -> None:
        transport = self._protocol.transport
        if not (self.disconnected or transport.is_closing()):
            transport.write(data)

    def _finish(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.finish_response()


def direct_protocol(
    limits: ConnectionLimits, count_refusal: Callable[[int], None], completions: Completions | None
) -> type[DirectProtocol]:
    """A protocol class with these limits: uvicorn wants a class, not an instance.

    `count_refusal` is called with the status of each answer that is given before there is a request.
    """
    attributes = {
        "limits": limits,
        "count_refusal": staticmethod(count_refusal),
        "completions": completions,
        "heads": KnownHeads(),
    }
    return type("GatewayProtocol", (DirectProtocol,), attributes)
