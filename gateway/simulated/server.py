"""Runs an application on a loopback port, inside this event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

import uvicorn

from gateway.simulated.app import simulated_app
from gateway.simulated.models import DEFAULT_MODELS, SimulatedModel


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the one that faces the world."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.listening.set()


@contextlib.asynccontextmanager
async def serve_app(app: Any, port: int = 0) -> AsyncGenerator[str, None]:
    """The application's base URL, for as long as the context lasts. Raises OSError where the port is taken."""
    listener = socket.create_server(("127.0.0.1", port))
    # asyncio's own loop does this only for sockets that name their protocol; else each answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
        )
    )
    task = asyncio.create_task(server.serve([listener]))
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listening.cancel()
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def serve_simulated(
    models: Mapping[str, SimulatedModel] = DEFAULT_MODELS, port: int = 0, seed: str = "simulated"
) -> AsyncGenerator[str, None]:
    """Simulated models behind a loopback port: the base URL of their API, for as long as the context lasts."""
    async with serve_app(simulated_app(models, seed), port) as base_url:
        yield base_url
