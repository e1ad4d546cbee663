"""Serves an application on a loopback port, inside the running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

import uvicorn

from gateway.simulated.app import simulated_app
from gateway.simulated.models import DEFAULT_MODELS, SimulatedModel


class _Server(uvicorn.Server):
    """A uvicorn server that installs no signal handlers: those belong to the public server."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install no handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, then set `ready`."""
        await super().startup(sockets)
        self.ready.set()


@contextlib.asynccontextmanager
async def serve_app(app: Any, port: int = 0) -> AsyncGenerator[str, None]:
    """Serve the application while the context lasts; its base URL. Raises OSError if the port is taken."""
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
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        ready.cancel()
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def serve_simulated(
    models: Mapping[str, SimulatedModel] = DEFAULT_MODELS, port: int = 0, seed: str = "simulated"
) -> AsyncGenerator[str, None]:
    """Serve simulated models on a loopback port while the context lasts; the base URL of their API."""
    async with serve_app(simulated_app(models, seed), port) as base_url:
        yield base_url
