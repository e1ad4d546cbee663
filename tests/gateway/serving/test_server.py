"""A server accepts who waits, and one that stops loses no request that was on its way."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from gateway.serving import server as serving_server
from gateway.serving.connection_limits import ConnectionLimits
from gateway.serving.server import Server, uvicorn_config
from gateway.settings.listening import Tls
from tests.support.certificates import make_certificate

SECONDS = 30.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def test_connections_that_wait_are_accepted_many_in_a_turn_of_the_event_loop() -> None:
    waiting, turns = 128, 0
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=waiting) as listener:
        address = listener.getsockname()

        async def connect_and_count() -> None:
            nonlocal turns
            clients.extend(socket.create_connection(address, timeout=SECONDS) for _ in range(waiting))
            while len(server.server_state.connections) < waiting and turns < waiting:
                turns += 1
                await asyncio.sleep(0)
            server.should_exit = True

        server = Server(uvicorn_config(app, ConnectionLimits(), lambda _: None), connect_and_count)
        server.run([listener])
    for client in clients:
        client.close()
    assert turns < waiting / 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=SECONDS)


@pytest.mark.parametrize(("addresses", "tls", "times"), [(1, False, 16), (3, False, 5), (30, False, 1), (2, True, 1)])
def test_a_socket_is_accepted_from_as_often_as_descriptors_and_handshakes_allow(
    addresses: int, tls: bool, times: int, tmp_path: Path
) -> None:
    accepting = 0

    async def count() -> None:
        nonlocal accepting
        accepting = len(server.servers)
        server.should_exit = True

    certificate = None
    if tls:
        make_certificate(tmp_path)
        certificate = Tls(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(addresses)]
        server = Server(uvicorn_config(app, ConnectionLimits(), lambda _: None, tls=certificate), count)
        server.run(listeners)
    assert accepting == times * addresses


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


class Endless(socket.socket):
    """Whenever one connection was accepted, another one waits."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, None]:
        client, connection = socket.socketpair()
        self.clients.append(client)
        return connection, None


def test_it_stops_while_connections_come_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_server, "BACKLOG", 20)
    with contextlib.closing(Endless()) as listener:
        listener.bind(("127.0.0.1", 0))

        async def stop() -> None:
            server.should_exit = True

        server = Server(uvicorn_config(app, ConnectionLimits(), lambda _: None), stop, accepted_per_turn=1)
        server.run([listener])
    assert len(listener.clients) == 20
    for client in listener.clients:
        client.close()


def ask(clients: list[socket.socket]) -> None:
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
