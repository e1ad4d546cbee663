"""The server's side of one HTTP request, written byte by byte, so that it can break the protocol."""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import NoReturn


@dataclass(slots=True)
class FaultyProvider:
    """State of a running server: connections, requests by model, and when callers of a hanging model left.

    `gone` holds times of the event loop; `changed` is notified of each request and each caller that left.
    """

    base_url: str = ""
    connections: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    gone: dict[str, deque[float]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


@dataclass(slots=True)
class RawExchange:
    """One request and the connection to answer it on.

    `key` is its Authorization header; `reused` says that the connection has served another request before.
    """

    provider: FaultyProvider
    model: str
    stream: bool
    key: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reused: bool

    async def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises ConnectionError if the caller has left."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, kind: str = "", length: int | None = None, more: str = "") -> None:
        """Send the status line and the headers; without a length the body is chunked."""
        kind = kind or ("text/event-stream" if self.stream else "application/json")
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        await self.send(f"HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\n{size}\r\n{more}\r\n".encode())

    async def piece(self, data: bytes) -> None:
        """Send one chunk of a chunked body; an empty one ends it."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def whole(self, body: bytes, status: int = 200, kind: str = "", more: str = "") -> None:
        """Send a whole response with a Content-Length."""
        await self.head(status, kind, len(body), more)
        await self.send(body)

    async def events(self, *events: bytes) -> None:
        """Send these events as a chunked body, with its end."""
        await self.head()
        for part in events:
            await self.piece(part)
        await self.piece(b"")

    async def hang(self) -> NoReturn:
        """Send nothing until the caller closes the connection. Raises ConnectionResetError."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        async with self.provider.changed:
            self.provider.gone.setdefault(self.model, deque(maxlen=100)).append(asyncio.get_running_loop().time())
            self.provider.changed.notify_all()
        raise ConnectionResetError

    def reset(self) -> NoReturn:
        """Close the connection with a TCP reset. Raises ConnectionResetError."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise ConnectionResetError
