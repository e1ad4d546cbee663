"""Limits of a connection before its request is known: header bytes, time, idle time, and the number of connections.

uvicorn limits none of these. Without limits one endless header line blocks the event loop for everybody, and a
thousand idle connections use up the descriptors that new clients need.
"""

import asyncio
import fcntl
import json
import logging
import re
import resource
import termios
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
"""Interval between checks for overdue connections: one task for all of them, so that a request needs no timer."""
WARN_SECONDS = 10.0
MOST_CONNECTIONS = 10_000
CLOSED_SHARE = 50
"""Of the connections one in this many is closed at once to make room, the longest unused first."""
SPARE_DESCRIPTORS = 200
"""Descriptors that are kept for the database, the spool, providers and files."""

_REFUSALS: Mapping[int, tuple[str, str, str]] = {
    400: ("Bad Request", "invalid_request_error", "invalid_http"),
    408: ("Request Timeout", "invalid_request_error", "request_timeout"),
    431: ("Request Header Fields Too Large", "invalid_request_error", "headers_too_large"),
    503: ("Service Unavailable", "server_error", "overloaded"),
}


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of a connection. `body_idle_seconds` count only while the server is ready to read."""

    header_bytes: int = 64 * 1024
    header_seconds: float = 20.0
    body_idle_seconds: float = 30.0
    connections: int = MOST_CONNECTIONS


def limits_of_this_process() -> ConnectionLimits:
    """As many connections as the process has descriptors for, after its own limit was raised as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return ConnectionLimits(connections=max(min(MOST_CONNECTIONS, soft - SPARE_DESCRIPTORS), 16))


_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with `ConnectionLimits`."""

    limits = ConnectionLimits()
    count_refusal: Callable[[int], None]
    _warned_at = float("-inf")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_headers = False
        self._header_bytes = 0
        self._pipelined_before: deque[RequestResponseCycle] = deque()
        self._since = self.received_at = time.monotonic()  # uvloop's clock has steps of a millisecond

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Accept the connection. Above the limit close the longest unused ones; without any, refuse this one."""
        super().connection_made(transport)
        if len(self.connections) <= self.limits.connections:
            return
        still_open = [each for each in _protocols(self.connections) if not each.transport.is_closing()]
        if len(still_open) <= self.limits.connections:
            return  # room was made in this turn of the event loop
        unused = [each for each in still_open if each.is_unused and each is not self]
        # Some at once: looking through all connections for each new one would take the event loop's time.
        oldest = nsmallest(self.limits.connections // CLOSED_SHARE + 1, unused, key=_received_at)
        closed = [each for each in oldest if not each.has_unread]
        self._warn(f"{len(self.connections)} connections: {'unused ones are closed' if closed else 'refused'}")
        for each in closed:
            each.transport.close()
        if not closed:
            self._refuse(503, "too many connections; try again shortly")

    @property
    def is_unused(self) -> bool:
        """Whether the connection is open, and no request is being read or answered."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return not (self._in_headers or answering or self.transport.is_closing())

    @property
    def has_unread(self) -> bool:
        """Whether the system has bytes of the client that were not read yet: to close the connection would reset it."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        return any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))

    @property
    def is_between_requests(self) -> bool:
        """Whether the request before has been read and answered, and nothing of the next one has come."""
        before = self.cycle
        return not self._in_headers and (before is None or (before.response_complete and not before.more_body))

    @property
    def _is_pipelined(self) -> bool:
        """Whether the request before the one that is being read is not answered yet."""
        before = self.cycle
        return self._in_headers and before is not None and not (before.response_complete or before.more_body)

    @property
    def _is_answering(self) -> bool:
        """Whether an answer is under way, or owed for a whole request."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body)

    def data_received(self, data: bytes) -> None:
        """Parse data. Header bytes are counted here, because the parser would buffer a line without end."""
        self.received_at = time.monotonic()
        continued = self._in_headers
        if continued or self.cycle is None or not self.cycle.more_body:
            # The parser would skip the body of a request that offers an upgrade, as Java's HTTP client does with h2c.
            head = data.find(b"\r\n\r\n")
            if _UPGRADE.search(data, 0, len(data) if head < 0 else head):
                data = _UPGRADE.sub(b"\r\nx-upgrade:", data, count=1)
        super().data_received(data)
        if continued and self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > self.limits.header_bytes and not self.transport.is_closing():
                self._refuse(431, f"the request's headers are larger than {self.limits.header_bytes:,} bytes")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, "this is not valid HTTP")

    def on_message_begin(self) -> None:
        """Begin to count at the first byte of a request."""
        self._in_headers, self._header_bytes, self._since = True, 0, self.received_at
        self.begin_request()

    def begin_request(self) -> None:
        """Prepare for the headers of a request."""
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Serve the request, after those that are not answered yet."""
        self.end_headers()
        while self._pipelined_before and self._pipelined_before[0].response_complete:
            self._pipelined_before.popleft()
        if self.cycle is not None and not self.cycle.response_complete:
            self._pipelined_before.append(self.cycle)
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered: uvicorn tells the last one alone, which may be pipelined."""
        super().connection_lost(exc)
        while self._pipelined_before:
            cycle = self._pipelined_before.popleft()
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def end_headers(self) -> None:
        """Stop counting: the body has limits of its own."""
        self._in_headers = False

    def on_chunk_header(self) -> None:
        """Count again: what follows a chunk's size is its data, or trailers. Trailers are not the request's headers."""
        self._in_headers, self._header_bytes, self._since = True, 0, self.received_at
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._in_headers = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of the body."""
        self._in_headers = False
        super().on_message_complete()

    def finish_response(self) -> None:
        """Wait for the next request, without uvicorn's timer, as `sweep` ends the wait, and without its count."""
        if self.pipeline:
            self.on_response_complete()
        else:
            self.received_at = time.monotonic()

    def close_if_overdue(self, now: float) -> None:
        """Close the connection if the client has been too slow."""
        silent = now - self.received_at
        if self._in_headers or self.cycle is None:  # from the request's first byte, or from the connection on
            # The headers of a pipelined request may take as long as the answer before them.
            if now - self._since > self.limits.header_seconds and not self._is_pipelined:
                self._refuse(408, "the request's headers did not come in time")
        elif self.is_unused:
            # Without uvicorn's timer: it ends when anything comes, even if it is no request.
            if silent > self.timeout_keep_alive * (1 if self.timeout_keep_alive_task is None else 2):
                self.transport.close()
        elif self.cycle.more_body and not self.flow.read_paused and silent > self.limits.body_idle_seconds:
            self.transport.close()  # the application learns that the client has left

    def _warn(self, message: str) -> None:
        now = time.monotonic()
        if now - LimitedProtocol._warned_at > WARN_SECONDS:
            LimitedProtocol._warned_at = now
            log.warning("%s", message)

    def _refuse(self, status: int, message: str) -> None:
        self.count_refusal(status)
        if self._is_answering:  # a refusal would be written into that answer, or taken for it
            self.transport.close()
            return
        phrase, kind, code = _REFUSALS[status]
        body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
        again = "retry-after: 1\r\n" if status == 503 else ""
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{again}"
        self.transport.write(f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode() + body)
        self.transport.close()


async def sweep(connections: set[Any]) -> None:
    """Close overdue connections once per interval, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        for protocol in _protocols(list(connections)):
            if not protocol.transport.is_closing():
                protocol.close_if_overdue(time.monotonic())


def _protocols(connections: Iterable[Any]) -> list[LimitedProtocol]:
    return [each for each in connections if isinstance(each, LimitedProtocol)]


def _received_at(protocol: LimitedProtocol) -> float:
    return protocol.received_at
