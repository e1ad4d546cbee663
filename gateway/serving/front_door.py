"""Limits on what a connection may take before its request is known: header bytes, time, silence and their number.

uvicorn bounds none of these. Without bounds one endless header line keeps the event loop busy for everybody, and a
thousand idle connections use up the descriptors that new clients need.
"""

import asyncio
import json
import logging
import resource
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
"""Between looks for overdue connections: one task for all of them, so that a request pays for no timer."""
WARN_SECONDS = 10.0
MOST_CONNECTIONS = 10_000
SPARE_DESCRIPTORS = 200
"""For the database, the spool, providers and files; the other descriptors may be clients."""

_REFUSALS: Mapping[int, tuple[str, str, str]] = {
    408: ("Request Timeout", "invalid_request_error", "request_timeout"),
    431: ("Request Header Fields Too Large", "invalid_request_error", "headers_too_large"),
    503: ("Service Unavailable", "server_error", "overloaded"),
}


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """What a connection may take. `body_idle_seconds` count only while the server is ready to read."""

    header_bytes: int = 64 * 1024
    header_seconds: float = 20.0
    body_idle_seconds: float = 30.0
    connections: int = MOST_CONNECTIONS


def front_door() -> FrontDoor:
    """As many connections as the process has descriptors for, after it has raised its own limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return FrontDoor(connections=max(min(MOST_CONNECTIONS, soft - SPARE_DESCRIPTORS), 16))


class FrontDoorProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol within a `FrontDoor`."""

    front_door = FrontDoor()
    _warned_at = float("-inf")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_headers = False
        self._header_bytes = 0
        self._since = self.heard_at = time.monotonic()  # uvloop's clock has steps of a millisecond

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Accept the connection. Above the limit the longest unused one is closed, or else this one refused."""
        super().connection_made(transport)
        if len(self.connections) <= self.front_door.connections:
            return
        unused = [each for each in _protocols(self.connections) if each.is_unused and each is not self]
        self._warn(f"{len(self.connections)} connections: {'unused ones are closed' if unused else 'refused'}")
        if unused:
            min(unused, key=_heard_at).transport.close()
        else:
            self._refuse(503, "too many connections; try again shortly")

    @property
    def is_unused(self) -> bool:
        """Whether no request is being read or answered, and the connection is open."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return not (self._in_headers or answering or self.transport.is_closing())

    def data_received(self, data: bytes) -> None:
        """Read. Headers are counted as they come, as the parser would gather a line without end."""
        self.heard_at = time.monotonic()
        continued = self._in_headers
        super().data_received(data)
        if continued and self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > self.front_door.header_bytes and not self.transport.is_closing():
                self._refuse(431, f"the request's headers are larger than {self.front_door.header_bytes:,} bytes")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_headers, self._header_bytes, self._since = True, 0, self.heard_at
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The request is known; its body has limits of its own."""
        self._in_headers = False
        super().on_headers_complete()

    def close_if_overdue(self, now: float) -> None:
        """Close the connection if the client has been too slow; `now` is monotonic."""
        silent = now - self.heard_at
        if self._in_headers or self.cycle is None:  # from the request's first byte, or from the connection on
            if now - self._since > self.front_door.header_seconds:
                self._refuse(408, "the request's headers did not come in time")
        elif self.is_unused:
            # uvicorn ends its own timer when anything comes, even if it is no request.
            if silent > 2 * self.timeout_keep_alive:
                self.transport.close()
        elif self.cycle.more_body and not self.flow.read_paused and silent > self.front_door.body_idle_seconds:
            self.transport.close()  # the application learns that the client has left

    def _warn(self, message: str) -> None:
        now = time.monotonic()
        if now - FrontDoorProtocol._warned_at > WARN_SECONDS:
            FrontDoorProtocol._warned_at = now
            log.warning("%s", message)

    def _refuse(self, status: int, message: str) -> None:
        phrase, kind, code = _REFUSALS[status]
        body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
        again = "retry-after: 1\r\n" if status == 503 else ""
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{again}"
        self.transport.write(f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode() + body)
        self.transport.close()


def protocol_with(door: FrontDoor) -> type[FrontDoorProtocol]:
    """A protocol class with these limits, as uvicorn wants a class."""
    return type("LimitedProtocol", (FrontDoorProtocol,), {"front_door": door})


async def sweep(connections: set[Any]) -> None:
    """Close overdue connections, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        for protocol in _protocols(list(connections)):
            if not protocol.transport.is_closing():
                protocol.close_if_overdue(time.monotonic())


def _protocols(connections: Iterable[Any]) -> list[FrontDoorProtocol]:
    return [each for each in connections if isinstance(each, FrontDoorProtocol)]


def _heard_at(protocol: FrontDoorProtocol) -> float:
    return protocol.heard_at
