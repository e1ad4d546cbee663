"""Attacks on the front door: what many or malicious clients send, without end, from a process of its own."""

import asyncio
import base64
import contextlib
import json
import multiprocessing
import os
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from types import MappingProxyType
from typing import TypeAlias

Told: TypeAlias = "Counter[str]"
"""What the attackers were answered: a status, `closed` or `refused`, and how often."""

ROUTER = "rtr_default"
LINE_BYTES = 100 * 2**20
IDLE_CONNECTIONS = 1_100
SLOW_CONNECTIONS = 300
CLIENTS = 4
"""Clients of an attack with large bodies, one request after another each."""
_PIECE = 2**18


class Target:
    """The gateway that is attacked, and a key of it."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key
        self.told: Told = Counter()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def send(self, pieces: Iterator[bytes], pause_seconds: float = 0.0) -> None:
        """Open a connection, send the pieces, and count the answer."""
        try:
            async with self._connected() as (reader, writer):
                try:
                    for piece in pieces:
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(pause_seconds)
                except ConnectionError:
                    pass  # it was answered before it had sent everything
                line = await reader.readline()
                self.told[line.split()[1].decode() if line else "closed"] += 1
        except ConnectionError:
            self.told["refused"] += 1

    def post(self, body: bytes, encoding: str = "identity") -> Iterator[bytes]:
        """A completion request with this body."""
        head = (
            f"POST /{ROUTER}/chat/completions HTTP/1.1\r\nHost: attacked\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode()
        for start in range(0, len(body), _PIECE):
            yield body[start : start + _PIECE]


Attack: TypeAlias = Callable[[Target], Coroutine[None, None, None]]
"""Makes what is sent, and returns the attack, which never ends."""


def endless_line(target: Target) -> Coroutine[None, None, None]:
    """Header lines of 100 MiB."""
    filler = b"x" * _PIECE

    def line() -> Iterator[bytes]:
        yield b"GET /healthz HTTP/1.1\r\nX-Endless: "
        yield from (filler for _ in range(LINE_BYTES // _PIECE))

    return _repeated(CLIENTS, lambda: target.send(line()))


def slow_headers(target: Target) -> Coroutine[None, None, None]:
    """Requests whose headers come a byte at a time, ten a second."""

    def line() -> Iterator[bytes]:
        yield b"GET /healthz HTTP/1.1\r\nX-Slow: "
        while True:
            yield b"x"

    return _repeated(SLOW_CONNECTIONS, lambda: target.send(line(), pause_seconds=0.1))


def idle_connections(target: Target) -> Coroutine[None, None, None]:
    """More idle connections than the gateway has descriptors for."""

    async def idle() -> None:
        await target.send(iter(()))

    return _repeated(IDLE_CONNECTIONS, idle)


def short_connections(target: Target) -> Coroutine[None, None, None]:
    """Connections that are closed at once, as fast as they can be opened."""

    async def open_and_close() -> None:
        try:
            async with target._connected():
                target.told["opened"] += 1
        except ConnectionError:
            target.told["refused"] += 1

    return _repeated(CLIENTS, open_and_close)


def empty_requests(target: Target) -> Coroutine[None, None, None]:
    """Connections that send nothing but empty lines."""
    return _repeated(CLIENTS, lambda: target.send(iter([b"\r\n" * 50_000, b"\r\n\r\n"] * 20)))


def large_bodies(target: Target) -> Coroutine[None, None, None]:
    """Chats of 60 turns with a file of 5 MB."""
    turns: list[object] = [{"role": "user", "content": 'a "turn" of [words], '.ljust(200, "x")} for _ in range(60)]
    data = base64.b64encode(os.urandom(3_750_000)).decode()
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}}
    body = _body(messages=[*turns, {"role": "user", "content": [part, {"type": "text", "text": "Sum up."}]}])
    return _repeated(CLIENTS, lambda: target.send(target.post(body)))


def many_values(target: Target) -> Coroutine[None, None, None]:
    """Bodies of a million keys, of six million empty objects, and with one key of 10 MB."""
    keys = b'{"model":"dari/routing",' + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}"
    objects = b'{"messages":[' + b"{}," * 6_000_000 + b"{}]}"
    bodies = (keys, objects, b'{"' + b"k" * 10_000_000 + b'":1}')
    return _repeated(CLIENTS, lambda: _in_turn(target, bodies, "identity"))


def gzip_bombs(target: Target) -> Coroutine[None, None, None]:
    """Bodies of 1 MB that are a gigabyte of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()
    return _repeated(CLIENTS, lambda: target.send(target.post(bomb, "gzip")))


ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        attack.__name__.replace("_", " "): attack
        for attack in (
            endless_line,
            slow_headers,
            idle_connections,
            short_connections,
            empty_requests,
            large_bodies,
            many_values,
            gzip_bombs,
        )
    }
)


def _body(**fields: object) -> bytes:
    return json.dumps({"model": "dari/routing", "max_tokens": 5, **fields}).encode()


async def _in_turn(target: Target, bodies: tuple[bytes, ...], encoding: str) -> None:
    for body in bodies:
        await target.send(target.post(body, encoding))


async def _repeated(count: int, once: Callable[[], Awaitable[None]]) -> None:
    async def again_and_again() -> None:
        while True:
            await once()
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(again_and_again())


@contextlib.contextmanager
def under_attack(name: str, port: int, key: str, seconds: float, answers: int = 0) -> "Iterator[Queue[Told]]":
    """Attack from another process for that long, and until so many were answered, from now on.

    The queue gets what the attackers were answered.
    """
    context = multiprocessing.get_context("spawn")
    told: Queue[Told] = context.Queue()
    begun = context.Event()
    process = context.Process(target=_attack, args=(name, port, key, seconds, answers, told, begun), daemon=True)
    process.start()
    try:
        if not begun.wait(60):
            raise RuntimeError(f"{name} did not begin")
        yield told
    finally:
        process.join(seconds + 60)
        process.kill()


def _attack(name: str, port: int, key: str, seconds: float, answers: int, told: "Queue[Told]", begun: Event) -> None:
    target = Target(port, key)

    async def attack() -> None:
        attacking = asyncio.create_task(ATTACKS[name](target))
        begun.set()
        await asyncio.wait({attacking}, timeout=seconds)
        while target.told.total() < answers and not attacking.done():
            await asyncio.wait({attacking}, timeout=0.05)
        if attacking.done():
            attacking.result()  # an attack never ends but by an error
        attacking.cancel()

    os.nice(5)  # it is the gateway that is measured, on the same cores
    asyncio.run(attack())
    told.put(target.told)
