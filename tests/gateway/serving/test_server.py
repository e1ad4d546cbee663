"""A server that stops loses no request that was on its way."""

import socket
import threading

import pytest
from starlette.types import Receive, Scope, Send

from gateway.serving.connection_limits import ConnectionLimits
from gateway.serving.server import Server, uvicorn_config

SECONDS = 30.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize("asks_at_once", [True, False])
def test_connections_that_wait_to_be_accepted_when_it_stops_are_served(asks_at_once: bool) -> None:
    stopped, connected = threading.Event(), threading.Event()
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        address = listener.getsockname()

        async def connect_in_the_last_moment() -> None:
            # In the loop's own thread, so that it can accept none before it stops.
            assert stopped.wait(SECONDS)
            clients.extend(socket.create_connection(address, timeout=SECONDS) for _ in range(20))
            if asks_at_once:
                ask(clients)
            connected.set()

        server = Server(uvicorn_config(app, ConnectionLimits(), lambda _: None), connect_in_the_last_moment)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        server.should_exit = True
        thread.start()
        stopped.set()
        assert connected.wait(SECONDS)
        if not asks_at_once:
            ask(clients)
        answers = [client.recv(1_000) for client in clients]
        for client in clients:
            client.close()
        thread.join(SECONDS)
        assert not thread.is_alive()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=SECONDS)


def ask(clients: list[socket.socket]) -> None:
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
