"""Serves the faults on a raw socket: no web framework would send most of them."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import msgspec

from tests.support.faulty_provider.exchange import FaultyProvider, RawExchange
from tests.support.faulty_provider.faults import FAULTS
from tests.support.faulty_provider.samples import error
from tests.support.processes import running, wait_for_port
from tests.support.sockets import listening


@contextlib.asynccontextmanager
async def serve_faults(port: int = 0) -> AsyncGenerator[FaultyProvider, None]:
    """Run the provider on a loopback port, 0 for a free one."""
    provider = FaultyProvider()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        provider.connections += 1
        reused = False
        while True:
            exchange = await _receive(provider, reader, writer, reused)
            reused = True
            async with provider.changed:
                provider.requests[exchange.model] = provider.requests.get(exchange.model, 0) + 1
                provider.changed.notify_all()
            await _misbehave(exchange)

    async with listening(serve, port=port) as taken:
        provider.base_url = f"http://127.0.0.1:{taken}/v1"
        yield provider


@contextlib.contextmanager
def run_faults(log: Path) -> Generator[int, None, None]:
    """Run the provider as a child process; yields its port. Raises RunFailed."""
    with running([sys.executable, "-m", "tests.support.faulty_provider"], log) as process:
        yield wait_for_port(process, log)


async def _receive(
    provider: FaultyProvider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reused: bool
) -> RawExchange:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    body = msgspec.json.decode(await reader.readexactly(length)) if length else {}
    key = next((line[15:].decode() for line in head.split(b"\r\n") if line.lower().startswith(b"authorization: ")), "")
    return RawExchange(provider, str(body.get("model", "ok")), bool(body.get("stream")), key, reader, writer, reused)


async def _misbehave(exchange: RawExchange) -> None:
    turns = exchange.model.split() or [""]
    name = turns[(exchange.provider.requests[exchange.model] - 1) % len(turns)]
    if name.startswith("status-"):
        status = int(name.removeprefix("status-"))
        await exchange.whole(error(f"simulated {status}", f"simulated_{status}"), status)
    elif name in FAULTS:
        await FAULTS[name](exchange)
    else:
        await exchange.whole(error(f"there is no fault {name!r}", "model_not_found"), 404)
