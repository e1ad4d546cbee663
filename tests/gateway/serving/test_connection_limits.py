"""Slow, endless, empty and too many connections: each is ended within its limits, and others are served meanwhile."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from gateway.asgi import Receive, Scope, Send
from gateway.serving.connection_limits import SWEEP_SECONDS, ConnectionLimits
from gateway.serving.server import Server, uvicorn_config
from tests.support.waiting import wait_until

SMALL = ConnectionLimits(header_bytes=2_000, header_seconds=0.3, body_idle_seconds=0.3)
SECONDS = 30
HOLD_SECONDS = 0.5
holding = threading.Event()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body and answers with its size, and with the header `x-late` if there was one.

    Of the path /slow the answer is sent in two parts, the second one after a while; /hold holds up everybody.
    """
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    if scope["path"] == "/hold":
        holding.set()
        time.sleep(HOLD_SECONDS)  # noqa: ASYNC251 - the event loop does nothing else meanwhile
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    late = [header for header in scope["headers"] if header[0] == b"x-late"]
    await send({"type": "http.response.start", "status": 200, "headers": late})
    if scope["path"] == "/slow":
        await send({"type": "http.response.body", "body": b"first, ", "more_body": True})
        await asyncio.sleep(2 * SWEEP_SECONDS)
    await send({"type": "http.response.body", "body": str(size).encode()})


async def say_nothing() -> None:
    pass


@contextlib.contextmanager
def serving(limits: ConnectionLimits) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn_config(app, limits, lambda _: None), say_nothing)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        wait_until(lambda: server.started, "the server has started")
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(SMALL) as port:
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    told = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            told += data
    return told


def served(port: int) -> bool:
    return httpx.post(f"http://127.0.0.1:{port}/", content=b"x" * 200_000, timeout=SECONDS).text == "200000"


@pytest.mark.parametrize("endless", [b"X-A: ", b"GET /", b"GET / HTTP/1.1\r\nA: b\r\n"])
def test_headers_without_end_are_refused_once_they_are_too_large(port: int, endless: bytes) -> None:
    start = b"" if endless.startswith(b"GET") else b"GET / HTTP/1.1\r\n"
    with connect(port) as connection:
        connection.sendall(start + endless)
        told = b""
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(b"a" * 1_000)
        with contextlib.suppress(ConnectionError):
            told = received(connection)
    assert told == b"" or told.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert served(port)


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.mark.parametrize("endless", [b"x-a: b\r\n", b"a"])
def test_trailers_without_end_are_refused_once_they_are_too_large(endless: bytes) -> None:
    with serving(ConnectionLimits(header_bytes=2_000)) as port, connect(port) as connection:
        connection.sendall(CHUNKED + b"0\r\nx-first: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(endless * (1_000 // len(endless)))
        told = b""
        with contextlib.suppress(ConnectionError):
            told = received(connection)
        assert told == b"" or told.startswith(b"HTTP/1.1 431 ")
        assert served(port)


def test_trailers_are_no_headers_of_their_request_and_bodies_in_chunks_are_as_large_as_they_like(port: int) -> None:
    with connect(port) as connection:
        for _ in range(2):  # the second on the same connection, after trailers
            connection.sendall(CHUNKED + b"2710\r\n" + b"x" * 10_000 + b"\r\n0\r\nx-late: yes\r\n\r\n")
            told = b""
            while not told.endswith(b"0\r\n\r\n"):
                told += connection.recv(1_000)
            assert b"10003" in told
            assert b"late" not in told


def test_headers_that_come_too_slowly_are_answered_with_408(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nA: ")
        told = received(connection)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "request_timeout"' in told


def test_a_drip_of_header_bytes_does_not_extend_their_time(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nA: ")
        until = time.monotonic() + SECONDS
        with pytest.raises(ConnectionError):
            while time.monotonic() < until:
                connection.sendall(b"a")
                threading.Event().wait(0.05)


@pytest.mark.parametrize("more", [b"", b"a" * 4_000])
def test_no_refusal_is_written_into_the_answer_to_the_request_before(port: int, more: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nA: ")
        told = b""
        while b"first, " not in told:
            told += connection.recv(1_000)
        connection.sendall(more)
        told += received(connection)
    answer, refusal, rest = told.partition(b"HTTP/1.1 408 ")
    if more:
        assert not refusal, "what is too large ends the connection with the answer under way"
        assert b"HTTP" not in answer.partition(b"first, ")[2]
    else:
        assert answer.endswith(b"0\r\n\r\n"), "first the whole answer"
        assert b"request_timeout" in rest


def test_what_is_no_http_is_told_in_json_and_never_within_an_answer(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"this is no HTTP\r\n\r\n")
        head, _, body = received(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert json.loads(body)["error"]["code"] == "invalid_http"
    with connect(port) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        told = b""
        while b"first, " not in told:
            told += connection.recv(1_000)
        connection.sendall(b"this is no HTTP\r\n\r\n")
        told += received(connection)
    assert told.count(b"HTTP/1.1") == 1


def test_a_connection_that_asks_for_nothing_is_closed(port: int) -> None:
    with connect(port) as connection:
        assert received(connection).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_stops_coming_ends_its_request(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert received(connection) == b""


def test_above_their_number_the_longest_unused_connection_gives_way(caplog: pytest.LogCaptureFixture) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    with (
        serving(ConnectionLimits(connections=4)) as port,
        contextlib.ExitStack() as stack,
        caplog.at_level(logging.WARNING),
    ):
        kept = [stack.enter_context(connect(port)) for _ in range(4)]
        for connection in kept:
            connection.sendall(request)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        assert served(port)
        assert received(kept[0]) == b"", "the first was unused for longest"
        kept[1].sendall(request)
        assert kept[1].recv(1_000).startswith(b"HTTP/1.1 200"), "the others go on"
    assert any("connections" in record.message for record in caplog.records)


def test_connections_that_come_at_once_close_no_more_unused_ones_than_they_need() -> None:
    request = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    with serving(ConnectionLimits(connections=50)) as port, contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connect(port)) for _ in range(50)]
        for connection in kept:
            connection.sendall(request % b"/")
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        holding.clear()
        kept[-1].sendall(request % b"/hold")
        assert holding.wait(SECONDS)
        come = [stack.enter_context(connect(port)) for _ in range(16)]
        for connection in come:
            connection.sendall(request % b"/")
        for connection in [kept[-1], *come]:
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        served = 0
        for connection in kept:
            with contextlib.suppress(OSError):
                connection.sendall(request % b"/")
                served += connection.recv(1_000).startswith(b"HTTP/1.1 200")
    assert served >= 30, "two make room for two"


def test_a_connection_whose_request_has_come_and_is_not_read_yet_does_not_give_way() -> None:
    with serving(ConnectionLimits(connections=3)) as port, contextlib.ExitStack() as stack:
        holding.clear()
        busy = stack.enter_context(connect(port))
        busy.sendall(b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert holding.wait(SECONDS)
        come = [stack.enter_context(connect(port)) for _ in range(3)]
        for connection in come:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        answers = [connection.recv(1_000)[9:12] for connection in come]
    assert answers == [b"200", b"200", b"503"]


def test_where_all_are_busy_the_next_one_is_refused_with_503() -> None:
    with serving(ConnectionLimits(connections=2)) as port, contextlib.ExitStack() as stack:
        for _ in range(2):
            busy = stack.enter_context(connect(port))
            busy.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            threading.Event().wait(0.05)
        with connect(port) as connection:
            told = received(connection)
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in told


def test_large_bodies_and_several_requests_on_one_connection_are_no_headers(port: int) -> None:
    with httpx.Client(timeout=SECONDS) as client:
        for size in (100_000, 3, 500_000):
            assert client.post(f"http://127.0.0.1:{port}/", content=b"x" * size).text == str(size)
