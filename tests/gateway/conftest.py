"""The HTTP client of providers, and the faulty provider on a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec
import pytest

from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Call
from tests.support.faulty_provider.exchange import FaultyProvider
from tests.support.faulty_provider.server import serve_faults

MESSAGES = b'[{"role":"user","content":"Hi"}]'
CallMaker = Callable[..., Call]


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    http = HttpClient()
    await http.start()
    yield http
    await http.close()


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyProvider]:
    async with serve_faults() as provider:
        yield provider


@pytest.fixture
def call() -> CallMaker:
    def make(model: str, seconds: float = 10.0, fields: Mapping[str, bytes] | None = None) -> Call:
        raw = {"messages": MESSAGES, **(fields or {})}
        deadline = asyncio.get_running_loop().time() + seconds
        sent = {name: msgspec.Raw(value) for name, value in raw.items()}
        return Call(model, sent, deadline, silence_seconds=seconds)

    return make
