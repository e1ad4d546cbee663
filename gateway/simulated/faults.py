"""A provider that misbehaves as its model's name says: a raw server, for what no web framework would send.

For tests, benchmarks and rehearsals of outages: the models are the keys of `FAULTS`, and `status-N` for any status.
"""

import asyncio
import contextlib
import socket
import struct
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from gateway.simulated.samples import DONE, FINISH, GOOD, ROLE, WORDS, completion, error, event

HUGE_BYTES = 50 * 1024 * 1024
DRIP_BYTES = 5
DRIP_SECONDS = 0.0005


@dataclass(slots=True)
class FaultyProvider:
    """A running server: how many came, the requests by model, when callers left too early. `changed` tells of each."""

    base_url: str = ""
    connections: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    gone: dict[str, deque[float]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


@dataclass(slots=True)
class _Exchange:
    """One request and the way back to its caller."""

    provider: FaultyProvider
    model: str
    stream: bool
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, kind: str = "", length: int | None = None, more: str = "") -> None:
        kind = kind or ("text/event-stream" if self.stream else "application/json")
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        await self.send(f"HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\n{size}\r\n{more}\r\n".encode())

    async def piece(self, data: bytes) -> None:
        """One chunk of a body without a length; an empty one ends it."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def whole(self, body: bytes, status: int = 200, kind: str = "", more: str = "") -> None:
        await self.head(status, kind, len(body), more)
        await self.send(body)

    async def events(self, *events: bytes) -> None:
        await self.head()
        for part in events:
            await self.piece(part)
        await self.piece(b"")

    async def hang(self) -> None:
        """Say nothing more until the caller leaves."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        async with self.provider.changed:
            self.provider.gone.setdefault(self.model, deque(maxlen=100)).append(asyncio.get_running_loop().time())
            self.provider.changed.notify_all()
        raise ConnectionResetError

    def reset(self) -> None:
        """Close with a reset instead of an end."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise ConnectionResetError


async def _ok(exchange: _Exchange) -> None:
    await (exchange.events(*GOOD) if exchange.stream else exchange.whole(completion()))


async def _reset(exchange: _Exchange) -> None:
    exchange.reset()


async def _reset_once(exchange: _Exchange) -> None:
    if exchange.provider.requests[exchange.model] == 1:
        exchange.reset()
    await _ok(exchange)


async def _hang(exchange: _Exchange) -> None:
    await exchange.hang()


async def _stall(exchange: _Exchange) -> None:
    await exchange.head()
    for part in (ROLE, *WORDS[:2]) if exchange.stream else (completion()[:50],):
        await exchange.piece(part)
    await exchange.hang()


async def _mute(exchange: _Exchange) -> None:
    await exchange.head()
    await exchange.piece(b": a comment\n\n" + ROLE if exchange.stream else b" ")
    await exchange.hang()


async def _half_json(exchange: _Exchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, FINISH[:40] + b"\n\n", DONE)
    else:
        await exchange.whole(completion()[:60])


async def _limited(exchange: _Exchange) -> None:
    await exchange.whole(error("slow down", "rate_limit_exceeded"), 429)


async def _limited_for_a_while(exchange: _Exchange) -> None:
    await exchange.whole(error("slow down", "rate_limit_exceeded"), 429, more="Retry-After: 7\r\n")


async def _overloaded(exchange: _Exchange) -> None:
    await exchange.whole(error("Overloaded", "overloaded_error"), 529)


async def _wrong_type(exchange: _Exchange) -> None:
    await exchange.whole(b"<html><body>Welcome to the proxy</body></html>", kind="text/html")


async def _empty(exchange: _Exchange) -> None:
    await (exchange.events() if exchange.stream else exchange.whole(b""))


async def _gzip(exchange: _Exchange) -> None:
    packer = zlib.compressobj(wbits=31)
    if not exchange.stream:
        body = packer.compress(completion()) + packer.flush()
        await exchange.whole(body, more="Content-Encoding: gzip\r\n")
        return
    await exchange.head(more="Content-Encoding: gzip\r\n")
    for part in GOOD:
        await exchange.piece(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH))
    await exchange.piece(packer.flush())
    await exchange.piece(b"")


async def _bad_gzip(exchange: _Exchange) -> None:
    await exchange.whole(b"this is not packed at all", more="Content-Encoding: gzip\r\n")


async def _huge(exchange: _Exchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, event({"content": "x" * HUGE_BYTES}), FINISH, DONE)
    else:
        await exchange.whole(completion("x" * HUGE_BYTES))


async def _endless(exchange: _Exchange) -> None:
    await exchange.head()
    part = WORDS[0] if exchange.stream else b" " * 65_536
    while True:
        await exchange.piece(part)


async def _drip(exchange: _Exchange) -> None:
    await exchange.head()
    body = b"".join(GOOD) if exchange.stream else completion()
    for start in range(0, len(body), DRIP_BYTES):
        await exchange.piece(body[start : start + DRIP_BYTES])
        await asyncio.sleep(DRIP_SECONDS)
    await exchange.piece(b"")


async def _cut(exchange: _Exchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, *WORDS[:3])
    else:
        await exchange.head(length=len(completion()))
        await exchange.send(completion()[:60])
        raise ConnectionResetError


async def _cut_reset(exchange: _Exchange) -> None:
    await exchange.head()
    await exchange.piece(b"".join((ROLE, *WORDS[:3])) if exchange.stream else completion()[:60])
    exchange.reset()


async def _cut_early(exchange: _Exchange) -> None:
    await exchange.events(ROLE)


async def _cut_with_done(exchange: _Exchange) -> None:
    await (exchange.events(ROLE, *WORDS, DONE) if exchange.stream else _cut(exchange))


async def _double_done(exchange: _Exchange) -> None:
    await (exchange.events(*GOOD, DONE) if exchange.stream else _ok(exchange))


async def _no_done(exchange: _Exchange) -> None:
    await (exchange.events(*GOOD[:-1]) if exchange.stream else _ok(exchange))


async def _bad_utf8(exchange: _Exchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, WORDS[0].replace(b"Simulated", b"Simul\xff"), FINISH, DONE)
    else:
        await exchange.whole(completion().replace(b"Simulated", b"Simul\xff"))


async def _error_event(exchange: _Exchange) -> None:
    body = error("the model fell over", "server_error")
    await (exchange.events(ROLE, *WORDS[:2], b"data: " + body + b"\n\n") if exchange.stream else exchange.whole(body))


async def _redirect(exchange: _Exchange) -> None:
    await exchange.whole(b"", 307, more="Location: http://127.0.0.1:9/elsewhere\r\n")


async def _not_http(exchange: _Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    raise ConnectionResetError


_Fault: TypeAlias = Callable[[_Exchange], Awaitable[None]]
FAULTS: Mapping[str, _Fault] = MappingProxyType(
    {
        "ok": _ok,
        "reset": _reset,
        "reset-once": _reset_once,
        "hang": _hang,
        "mute": _mute,
        "stall": _stall,
        "half-json": _half_json,
        "429": _limited,
        "429-retry-after": _limited_for_a_while,
        "529": _overloaded,
        "wrong-type": _wrong_type,
        "empty": _empty,
        "gzip": _gzip,
        "bad-gzip": _bad_gzip,
        "huge": _huge,
        "endless": _endless,
        "drip": _drip,
        "cut": _cut,
        "cut-reset": _cut_reset,
        "cut-early": _cut_early,
        "cut-with-done": _cut_with_done,
        "double-done": _double_done,
        "no-done": _no_done,
        "bad-utf8": _bad_utf8,
        "error-event": _error_event,
        "redirect": _redirect,
        "not-http": _not_http,
    }
)


@contextlib.asynccontextmanager
async def serve_faults(port: int = 0) -> AsyncGenerator[FaultyProvider, None]:
    """The misbehaving provider on a loopback port, for as long as the context lasts."""
    provider = FaultyProvider()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            running.add(task)
            task.add_done_callback(running.discard)
        provider.connections += 1
        try:
            while True:
                exchange = await _receive(provider, reader, writer)
                async with provider.changed:
                    provider.requests[exchange.model] = provider.requests.get(exchange.model, 0) + 1
                    provider.changed.notify_all()
                await _misbehave(exchange)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller has left, or was left, or the server stops: all are its purpose
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    provider.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield provider
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@contextlib.contextmanager
def refusing_port() -> Generator[int, None, None]:
    """A port of this machine on which nobody listens, for as long as the context lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def _receive(provider: FaultyProvider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Exchange:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    body = msgspec.json.decode(await reader.readexactly(length)) if length else {}
    return _Exchange(provider, str(body.get("model", "ok")), bool(body.get("stream")), reader, writer)


async def _misbehave(exchange: _Exchange) -> None:
    name = exchange.model
    if name.startswith("status-"):
        status = int(name.removeprefix("status-"))
        await exchange.whole(error(f"simulated {status}", f"simulated_{status}"), status)
    elif name in FAULTS:
        await FAULTS[name](exchange)
    else:
        await exchange.whole(error(f"there is no fault {name!r}", "model_not_found"), 404)
