"""A raw server's side of one request: bytes go out as they are told, whether or not they make sense."""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import NoReturn


@dataclass(slots=True)
class FaultyProvider:
    """A running server: how many came, the requests by model, when callers left too early. `changed` tells of each."""

    base_url: str = ""
    connections: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    gone: dict[str, deque[float]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


@dataclass(slots=True)
class RawExchange:
    """One request and the way back to its caller. `key` is its Authorization header; `reused`, that its connection has
    served another before.
    """

    provider: FaultyProvider
    model: str
    stream: bool
    key: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reused: bool

    async def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises ConnectionError where the caller has left."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, kind: str = "", length: int | None = None, more: str = "") -> None:
        """The status line and the headers; a body without a length comes in pieces."""
        kind = kind or ("text/event-stream" if self.stream else "application/json")
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        await self.send(f"HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\n{size}\r\n{more}\r\n".encode())

    async def piece(self, data: bytes) -> None:
        """One chunk of a body without a length; an empty one ends it."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def whole(self, body: bytes, status: int = 200, kind: str = "", more: str = "") -> None:
        """A response in one go."""
        await self.head(status, kind, len(body), more)
        await self.send(body)

    async def events(self, *events: bytes) -> None:
        """A stream of these events, properly ended."""
        await self.head()
        for part in events:
            await self.piece(part)
        await self.piece(b"")

    async def hang(self) -> NoReturn:
        """Say nothing more until the caller leaves."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        async with self.provider.changed:
            self.provider.gone.setdefault(self.model, deque(maxlen=100)).append(asyncio.get_running_loop().time())
            self.provider.changed.notify_all()
        raise ConnectionResetError

    def reset(self) -> NoReturn:
        """Close with a reset instead of an end."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise ConnectionResetError
