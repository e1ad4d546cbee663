"""Servers on threads of this process, each with an event loop of its own."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

import uvicorn
from anyio.from_thread import start_blocking_portal

from tests.support.waiting import wait_until

App = Callable[[Any, Any, Any], Awaitable[None]]
Entered = TypeVar("Entered")


@contextmanager
def on_a_thread(manager: AbstractAsyncContextManager[Entered]) -> Iterator[Entered]:
    """Enter an async context manager on the event loop of another thread."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(manager) as entered:
        yield entered


@contextmanager
def serve_app(app: App, protocol: type[asyncio.Protocol] | None = None) -> Iterator[str]:
    """Serve an ASGI application, its lifespan included, on a free port of 127.0.0.1; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # asyncio does this only for sockets that name their protocol; without it each answer waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        http = protocol or "auto"
        server = uvicorn.Server(uvicorn.Config(app, http=http, log_level="warning", access_log=False, lifespan="auto"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive(), "the server has started or failed", 60)
        assert server.started, "the server did not start"
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the server did not stop"
