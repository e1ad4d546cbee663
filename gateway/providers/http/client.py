"""The way to all providers: a request goes in; status, headers and the body's bytes come out.

A small HTTP/1.1 client of our own on llhttp: docs/adr/0003-provider-client.md says why. It keeps no cookies, follows
no redirects, verifies certificates, and goes through the environment's proxies.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from gateway.providers.http.connection import LATE, Connection
from gateway.providers.http.decompression import Inflater, content_codings
from gateway.providers.http.dialing import Resolver, Target, dial, locate
from gateway.providers.http.errors import Fault, TransportError

ANSWER_LIMIT = 64 * 1024 * 1024
IDLE_SECONDS = 50.0
"""How long a connection is kept for another request: less than the minute after which many servers close."""
_HEADER = re.compile(r"[A-Za-z0-9-]+: [\x20-\x7e]*")


class HttpResponse:
    """A response whose body is still to be read. Close it, or use it as a context manager. Limits: loop's clock."""

    __slots__ = ("_connection", "_inflater", "_pool", "headers", "status")

    def __init__(self, connection: Connection, pool: "deque[Connection]") -> None:
        self._connection = connection
        self._pool: deque[Connection] | None = pool
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers  # names in lower case
        encodings = content_codings(self.headers.get("content-encoding", ""))
        self._inflater = Inflater(encodings) if encodings else None

    async def read(self, limit: float, most: int = ANSWER_LIMIT) -> bytes:
        """The whole body, unpacked. Raises TransportError: TOO_LARGE past `most` bytes, TIMEOUT past the limit."""
        parts: list[bytes] = []
        size = 0
        while part := await self.some(limit):
            size += len(part)
            if size > most:
                raise TransportError(Fault.TOO_LARGE, f"the answer is larger than {most:,} bytes")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def some(self, limit: float) -> bytes:
        """What has come of the body since the last time, unpacked; b"" at its end. Raises TransportError."""
        inflater = self._inflater
        if inflater is None:
            return await self._connection.some(limit)
        loop = asyncio.get_running_loop()
        while True:
            packed = b""
            if inflater.more:
                # A small body can take seconds to unpack: let others run, and hold the limit here, where nothing waits.
                await asyncio.sleep(0)
                if loop.time() >= limit:
                    raise TransportError(Fault.TIMEOUT, LATE)
            elif not (packed := await self._connection.some(limit)):
                return b""
            if part := inflater.feed(packed):
                return part

    def close(self) -> None:
        """Keep the connection for another request if the response has come whole, else drop it at once."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._connection.reusable:
            self._connection.idle_since = asyncio.get_running_loop().time()
            pool.append(self._connection)
        else:
            self._connection.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class HttpClient:
    """Connections to providers, kept alive, as many as there are calls. `ssl_context` replaces the system's."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._targets: dict[tuple[str, str], tuple[Target, bytes]] = {}
        self._pools: dict[tuple[str, int, bool], deque[Connection]] = {}
        self._resolver = Resolver()
        self._open = False

    async def start(self) -> None:
        """Open for calls, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._open = True

    async def close(self) -> None:
        """Close the idle connections. Calls that run go on to their end."""
        self._open = False
        for pool in self._pools.values():
            while pool:
                pool.pop().abort()

    async def send(self, method: str, url: str, headers: bytes, body: bytes, limit: float) -> HttpResponse:
        """Send a request and wait for the status and headers of its response, at most until `limit`.

        `headers` are of `encode_headers`. The URLs of one client are few: each is remembered. Raises TransportError.
        """
        if not self._open:
            raise RuntimeError("the HTTP client was not started")
        target, first_lines = self._target(method, url)
        pool = self._pools.setdefault(target.origin, deque())
        head = b"%b%bContent-Length: %d\r\n\r\n" % (first_lines, headers, len(body))
        reused = self._idle(pool)
        if reused is not None:
            try:
                return await _exchange(reused, pool, head, body, limit)
            except TransportError as error:
                # The server closed it just as it was used again. On a new connection the same would mean that the
                # server gave up on this request, which it may have begun to work on.
                if not error.before_any_byte:
                    raise
        return await _exchange(await dial(target, self._resolver, self._ssl, limit), pool, head, body, limit)

    def _target(self, method: str, url: str) -> tuple[Target, bytes]:
        found = self._targets.get((method, url))
        if found is None:
            target = locate(url)
            found = self._targets[method, url] = target, target.first_lines(method)
        return found

    def _idle(self, pool: "deque[Connection]") -> Connection | None:
        """The connection used last, if it still stands; those that were idle for too long are closed."""
        oldest = self._loop.time() - IDLE_SECONDS
        while pool and pool[0].idle_since < oldest:
            pool.popleft().abort()
        while pool:
            connection = pool.pop()
            if connection.standing:
                return connection
        return None


async def _exchange(
    connection: Connection, pool: "deque[Connection]", head: bytes, body: bytes, limit: float
) -> HttpResponse:
    """Send a request on a connection and wait for the head of its response."""
    try:
        connection.request(head, body)
        await connection.head(limit)
        return HttpResponse(connection, pool)
    except BaseException:
        connection.abort()
        raise


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Headers as they go on the wire. Raises ValueError for one that would not be one line of printable ASCII."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    for name, line in zip(headers, lines, strict=True):
        if not _HEADER.fullmatch(line):
            raise ValueError(f"the header {name!r} must be one line of printable ASCII")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
