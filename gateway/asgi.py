"""HTTP on plain ASGI: read a bounded body, respond at once or stream, and notice that the client has disconnected."""

import asyncio
import contextlib
import io
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

from gateway.errors import GatewayError, RequestTooLarge, UnsupportedMedia

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)
STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)

_GZIP = frozenset((b"gzip", b"x-gzip"))

WATCH_AFTER_SECONDS = 0.02
"""A wait must last this long before the client is watched: a task for each short wait would cost more than it saves."""


UNREAD_SECONDS = 60.0
"""A client that has read nothing of its stream for this long counts as gone: its provider is not paid further."""


class ClientGone(Exception):
    """The client disconnected before its answer was complete."""


class Head:
    """The headers of a request, or of several whose heads are equal byte by byte.

    `found` is what was found for the first of them: the next ones need not look for it, as long as it holds.
    """

    __slots__ = ("found", "header")

    def __init__(self, headers: Mapping[bytes, bytes]) -> None:
        self.header = headers.get
        self.found: Any = None


class HttpRequest:
    """The headers and the body of a request. `header` finds the first header of a name (in lower case)."""

    __slots__ = ("_receive", "head")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.head = Head({name: bytes(value) for name, value in reversed(list(scope["headers"]))})

    @property
    def header(self) -> Callable[[bytes], bytes | None]:
        """Finds the first header of a name."""
        return self.head.header

    @property
    def is_compressed(self) -> bool:
        """Whether the body is sent as gzip."""
        return self._encoding() in _GZIP

    async def read_body(self, limit: int) -> bytes:
        """Read the whole body of a JSON request as it is sent, up to `limit` bytes.

        Raises UnsupportedMedia, RequestTooLarge, ClientGone.
        """
        require_json(self.header)
        if self._encoding() not in {b"", b"identity", *_GZIP}:
            shown = self._encoding().decode("latin-1")[:100]
            raise UnsupportedMedia(f"the Content-Encoding must be gzip or none, not {shown}")
        if int(self.header(b"content-length") or 0) > limit:
            raise too_large(limit)
        return await self._read(limit)

    async def _read(self, limit: int) -> bytes:
        # Each part is copied to its place as it comes: joined at the end, a large body would take its memory, page by
        # page, while everybody waits. Zeros take none, and are written over in place: nobody else refers to them.
        whole = io.BytesIO(bytes(int(self.header(b"content-length") or 0)))
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large(limit)
            if not message.get("more_body", False) and size == len(part):
                return part
            whole.write(part)
            if not message.get("more_body", False):
                return whole.getvalue()

    def _encoding(self) -> bytes:
        return (self.header(b"content-encoding") or b"").strip().lower()


def require_json(header: Callable[[bytes], bytes | None]) -> None:
    """Check that a request's body is declared as JSON. Raises UnsupportedMedia."""
    content_type = header(b"content-type") or b""
    if content_type != b"application/json":
        content_type = content_type.partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        shown = content_type.decode("latin-1")[:100] or "none"
        raise UnsupportedMedia(f"the Content-Type must be application/json, not {shown}")


def too_large(limit: int) -> RequestTooLarge:
    """The error for a body of more bytes than this."""
    return RequestTooLarge(f"the body is larger than {limit:,} bytes")


class Http(HttpRequest):
    """A request and its response. `request_id` is sent with every response, and so are the headers of `standing`.

    A completion's id is set by the flow.
    """

    __slots__ = ("_send", "_started", "_writing_since", "request_id", "standing")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str = "") -> None:
        super().__init__(scope, receive)
        self._send = send
        self._started = False
        self._writing_since = math.inf
        self.request_id = request_id
        self.standing: Callable[[], Headers] | None = None

    def take_body(self, limit: int) -> bytes | None:
        """The body of a chat completion, checked as `read_body` does, if it is here; None: it is to be read."""
        return None

    def chat_body(self, body: bytes) -> bytes:
        """The body as a chat completion's: here it is one."""
        return body

    @property
    def started(self) -> bool:
        """Whether the response's status has been sent."""
        return self._started

    def watched(self) -> contextlib.AbstractContextManager[object]:
        """Context in which the task is cancelled when the client disconnects, and raises ClientGone instead."""
        return WatchedClient(self)

    async def gone(self) -> None:
        """Wait until the client disconnects, or has read nothing for too long. The body must have been read before."""
        while not self._unread():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(UNREAD_SECONDS / 2):
                    while (await self._receive())["type"] != "http.disconnect":
                        pass
                    return

    def _unread(self) -> bool:
        return time.monotonic() - self._writing_since > UNREAD_SECONDS

    async def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a complete response."""
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, [*JSON_HEADERS, length, *headers])
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: GatewayError, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Send an error as the response."""
        await self.respond(error.status, [*error.headers(), *headers], error.body())

    async def start_stream(self, headers: Iterable[tuple[bytes, bytes]], first: bytes) -> None:
        """Send the headers of an event stream and its first events."""
        await self._start(200, [*STREAM_HEADERS, *headers])
        await self._send({"type": "http.response.body", "body": first, "more_body": True})

    async def write(self, data: bytes) -> None:
        """Send more of a stream; waits while the client reads slowly."""
        self._writing_since = time.monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._writing_since = math.inf

    @property
    def keeps_up(self) -> bool:
        """Whether `write_now` may be called in place of `write`."""
        return False

    def write_now(self, data: bytes) -> None:
        """Send more of a stream without waiting: only if the client keeps up."""
        raise NotImplementedError

    async def end(self, data: bytes) -> None:
        """Send the end of a stream."""
        await self._send({"type": "http.response.body", "body": data})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        headers.append((b"x-request-id", self.request_id.encode()))
        if self.standing is not None:
            headers += self.standing()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


class WatchedClient:
    """Context manager that cancels the task inside it when the client disconnects, and raises ClientGone instead.

    Used around waits for a provider, never around a commit.
    """

    __slots__ = ("_http", "_left", "_task", "_timer", "_watch")

    def __init__(self, http: Http) -> None:
        self._http = http
        self._left = False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> "WatchedClient":
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        task, self._task = self._task, None  # from here on the watcher can't cancel us any more
        if self._left and task is not None:
            # The watcher may have cancelled us just as the wait ended: uncancel, or the next await is cancelled
            # instead.
            task.uncancel()
            if kind is None or issubclass(kind, asyncio.CancelledError):
                raise ClientGone from None

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        await self._http.gone()
        if self._task is not None:
            self._left = True
            self._task.cancel()


def closing(send: Send) -> Send:
    """Close the connection after the response: a proxy opens the next one to another gateway."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_and_close


def below(root: str, path: str) -> str:
    """The path below the root, whether a proxy has taken the root off or not."""
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path
