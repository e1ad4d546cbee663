"""HTTP/1.1 client for providers: sends requests on pooled connections and streams response bodies.

Written for this gateway on llhttp; docs/adr/0003-provider-client.md says why. No cookies, no redirects; certificates
are verified, the environment's proxies are used. Every `deadline` is on the event loop's clock.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Self

from gateway.providers.http.chunks import Shortcut
from gateway.providers.http.connection import Connection
from gateway.providers.http.decompression import Decompressor, content_codings
from gateway.providers.http.dialing import Resolver, Target, dial, locate
from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.http.waiting import LATE

MAX_BODY_BYTES = 64 * 1024 * 1024
IDLE_SECONDS = 50.0
"""Keep-alive time of an idle connection: less than the minute after which many servers close."""
_HEADER = re.compile(r"[A-Za-z0-9-]+: [\x20-\x7e]*")


class HttpResponse:
    """Response whose body is still to be read. Close it, or use it as a context manager."""

    __slots__ = ("_connection", "_decompressor", "_headers", "_pool", "status")

    def __init__(self, connection: Connection, pool: "deque[Connection]") -> None:
        self._connection = connection
        self._pool: deque[Connection] | None = pool
        self.status = connection.status
        self._headers = connection.headers
        self._decompressor: Decompressor | None = None
        encoding = self._headers.get(b"content-encoding")
        if encoding is not None and (encodings := content_codings(encoding.decode("latin-1"))):
            try:
                self._decompressor = Decompressor(encodings)
            except TransportError:
                connection.abort()
                raise

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, their names in lower case."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers.items()}

    def take_whole(self) -> bytes | None:
        """The whole body, if it has come with its headers and needs no decompression; else None: read it."""
        return self._connection.take_all() if self._decompressor is None else None

    async def read(self, deadline: float, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Read the whole body, decompressed. Raises TransportError: TOO_LARGE past `max_bytes`, or TIMEOUT."""
        parts: list[bytes] = []
        size = 0
        while part := await self.read_some(deadline):
            size += len(part)
            parts.append(_within(max_bytes, size, part))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_some(self, deadline: float, shortcut: Shortcut | None = None) -> Awaitable[bytes]:
        """Wait for the next part of the body and return it decompressed; b"" at the end. Raises TransportError.

        A shortcut takes parts that come meanwhile, unless they are compressed.
        """
        if self._decompressor is None:
            return self._connection.read_some(deadline, shortcut)
        return self._decompressed(self._decompressor, deadline)

    async def _decompressed(self, decompressor: Decompressor, deadline: float) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            compressed = b""
            if decompressor.pending:
                # A small body can decompress for seconds without waiting for anything: yield to the event loop, and
                # check the deadline, which only waits would check otherwise.
                await asyncio.sleep(0)
                if loop.time() >= deadline:
                    raise TransportError(Fault.TIMEOUT, LATE)
            elif not (compressed := await self._connection.read_some(deadline)):
                return b""
            if part := decompressor.feed(compressed):
                return part

    def close(self) -> None:
        """Return the connection to the pool if the response is complete, else abort it."""
        pool, self._pool = self._pool, None
        if pool is not None:
            _give_back(self._connection, pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class HttpClient:
    """HTTP client with a pool of kept-alive connections, without a limit on their number.

    `ssl_context` replaces the system's. Not thread-safe: one event loop uses it.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._targets: dict[tuple[str, str], tuple[Target, bytes, deque[Connection]]] = {}
        self._pools: dict[tuple[str, int, bool], deque[Connection]] = {}
        self._resolver = Resolver()
        self._open = False

    async def start(self) -> None:
        """Accept requests, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._open = True

    async def close(self) -> None:
        """Close the idle connections; responses that are being read stay open."""
        self._open = False
        for pool in self._pools.values():
            while pool:
                pool.pop().abort()

    async def send(self, method: str, url: str, headers: bytes, body: bytes, deadline: float) -> HttpResponse:
        """Send a request and wait for the status and headers of its response. Raises TransportError.

        `headers` come from `encode_headers`. Targets are cached by URL without a bound: a client calls few.
        """
        target, first_lines, pool = self._targets.get((method, url)) or self._target(method, url)
        head = b"%b%bContent-Length: %d\r\n\r\n" % (first_lines, headers, len(body))
        reused = self._idle(pool)
        if reused is not None:
            try:
                await reused.exchange(head, body, deadline)
                return HttpResponse(reused, pool)
            except TransportError as error:
                if not error.before_any_byte:
                    raise
        return await self._send_anew(target, pool, head, body, deadline)

    async def ask(self, url: str, headers: bytes, body: bytes, deadline: float) -> bytes | HttpResponse:
        """As `send`, by POST, for an answer that is read as a whole: the body of a plain one that came at once."""
        target, first_lines, pool = self._targets.get(("POST", url)) or self._target("POST", url)
        head = b"%b%bContent-Length: %d\r\n\r\n" % (first_lines, headers, len(body))
        reused = self._idle(pool)
        if reused is not None:
            try:
                whole = await reused.ask(head, body, deadline)
                if whole is None:
                    await reused.answered(deadline)
                    return HttpResponse(reused, pool)
                _give_back(reused, pool)
                return whole
            except BaseException as error:
                reused.abort()
                if not (isinstance(error, TransportError) and error.before_any_byte):
                    raise
        return await self._send_anew(target, pool, head, body, deadline)

    async def _send_anew(
        self, target: Target, pool: "deque[Connection]", head: bytes, body: bytes, deadline: float
    ) -> HttpResponse:
        """Send a request on a new connection, if need be after one that had been kept alive closed before a byte.

        That one had timed out at the server. A new one is tried once: there the server may have worked on the
        request, so that another try could be billed twice.
        """
        connection = await dial(target, self._resolver, self._ssl, deadline)
        await connection.exchange(head, body, deadline)
        return HttpResponse(connection, pool)

    def _target(self, method: str, url: str) -> "tuple[Target, bytes, deque[Connection]]":
        target = locate(url)
        pool = self._pools.setdefault(target.origin, deque())
        found = self._targets[method, url] = target, target.first_lines(method), pool
        return found

    def _idle(self, pool: "deque[Connection]") -> Connection | None:
        """Take the connection that was used last, if it is still open; close those idle for too long."""
        if not self._open:
            raise RuntimeError("the HTTP client was not started")
        oldest = self._loop.time() - IDLE_SECONDS
        while pool and pool[0].idle_since < oldest:
            pool.popleft().abort()
        while pool:
            connection = pool.pop()
            if connection.is_open:
                return connection
        return None


def _give_back(connection: Connection, pool: "deque[Connection]") -> None:
    """Return a connection to its pool if its response is complete, else abort it."""
    if connection.reusable:
        connection.idle_since = asyncio.get_running_loop().time()
        pool.append(connection)
    else:
        connection.abort()


def _within(max_bytes: int, size: int, part: bytes) -> bytes:
    if size > max_bytes:
        raise TransportError(Fault.TOO_LARGE, f"the answer is larger than {max_bytes:,} bytes")
    return part


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Encode request headers. Raises ValueError for one that is not a single line of printable ASCII."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    for name, line in zip(headers, lines, strict=True):
        if not _HEADER.fullmatch(line):
            raise ValueError(f"the header {name!r} must be one line of printable ASCII")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
