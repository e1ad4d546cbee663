"""What is answered without ASGI and what is not, on real connections; each request gets its own answer, or an end."""

import asyncio
import contextlib
import gc
import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from gateway.asgi import ClientGone, Http, Receive, Scope, Send
from gateway.serving.connection_limits import ConnectionLimits
from gateway.serving.direct import DirectHttp, DirectProtocol
from gateway.serving.known_head import LARGEST_BODY, KnownHeads
from gateway.serving.server import Server, uvicorn_config
from tests.support.waiting import wait_until

SECONDS = 30
PATH = "/rtr_a/chat/completions"
JSON = "content-type: application/json"


class Echo:
    """Answers with the router's id and the body; `broken` raises, `stream` streams, `wait` waits for the client,
    `endless` streams until it leaves, `unread` until it reads too slowly."""

    def __init__(self) -> None:
        self.draining = False
        self.ids = itertools.count(1)
        self.left: list[str] = []
        self.last: Http | None = None

    def router_of(self, url: bytes) -> str | None:
        match = re.fullmatch(rb"/(\w+)/(?:v1/)?chat/completions", url)
        return None if match is None else match[1].decode()

    async def complete(self, http: Http, router_id: str) -> None:
        self.last = http
        http.request_id = f"req_{next(self.ids)}"
        try:
            body = await http.read_body(10**9)
        except ClientGone:
            self.left.append(f"{router_id} while it sent")
            return
        if router_id == "broken":
            raise ValueError("a mistake of the gateway's")
        if router_id == "line":
            await http.respond(200, [(b"x-a", b"1\r\nx-b: 2")], b"")
        elif router_id == "stream":
            await http.start_stream([], b"a")
            await http.write(b"bc")
            await http.end(b"")
        elif router_id == "wait":
            try:
                with http.watched():
                    await http.start_stream([], b"a")
                    await asyncio.get_running_loop().create_future()
            except ClientGone:
                self.left.append("wait while it was waited for")
        elif router_id == "unread":
            await http.start_stream([], b"a")
            written = 0
            while http.keeps_up and written < 2**26:
                http.write_now(b"b" * 65_536)
                written += 65_536
            await http.write(b"c")  # waits until the client has read
            assert http.keeps_up
            await http.end(b"%d" % written)
        elif router_id == "endless":
            try:
                with http.watched():
                    await http.start_stream([], b"a")
                    while True:
                        await http.write(b"b")
                        await asyncio.sleep(0.01)
            except ClientGone:
                self.left.append("endless while it was sent")
        else:
            await http.respond(200, [], b"direct " + router_id.encode() + b" " + body)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"asgi"})


async def say_nothing() -> None:
    pass


class Serving:
    def __init__(self, port: int, echo: Echo, protocol: type[DirectProtocol]) -> None:
        self.port = port
        self.echo = echo
        self.protocol = protocol

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def answer(self, request: bytes) -> bytes:
        """What the server says to these bytes, whose last request must ask it to close."""
        with self.connect() as connection:
            connection.sendall(request)
            return received(connection)


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    echo, limits = Echo(), ConnectionLimits(header_seconds=5.0, body_idle_seconds=0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn_config(app, limits, lambda _: None, echo)
        server = Server(config, say_nothing)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        wait_until(lambda: server.started, "the server has started")
        try:
            assert isinstance(config.http, type)
            assert issubclass(config.http, DirectProtocol)
            yield Serving(listener.getsockname()[1], echo, config.http)
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(autouse=True)
def _no_known_heads(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.protocol, "heads", KnownHeads())


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    told = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            told += data
    return told


def post(path: str = PATH, body: str = "{}", *headers: str, version: str = "1.1", close: bool = True) -> bytes:
    lines = [f"POST {path} HTTP/{version}", "host: a", JSON, *headers]
    if not any(line.startswith(("content-length", "transfer")) for line in headers):
        lines.append(f"content-length: {len(body)}")
    if close:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def test_a_small_whole_request_is_answered_without_asgi_and_its_connection_closed_as_asked(serving: Serving) -> None:
    head, _, body = serving.answer(post(body="hello")).partition(b"\r\n\r\n")
    assert body == b"direct rtr_a hello"
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 200 ok"
    assert {b"content-length: 18", b"content-type: application/json", b"connection: close"} <= set(lines)
    assert any(line.startswith(b"date: ") for line in lines)
    assert any(line.startswith(b"x-request-id: req_") for line in lines)


@pytest.mark.parametrize("declared", [b"application/json; charset=utf-8", b"Application/JSON"])
def test_json_may_be_declared_with_more(serving: Serving, declared: bytes) -> None:
    assert serving.answer(post().replace(b"application/json", declared)).endswith(b"direct rtr_a {}")


@pytest.mark.parametrize("offer", ["Upgrade: h2c", "UPGRADE:websocket"])
@pytest.mark.parametrize("split", [1, 25, 10_000])
def test_an_offered_upgrade_is_not_made_and_the_body_is_read(serving: Serving, offer: str, split: int) -> None:
    connection_header = "Connection: Upgrade, HTTP2-Settings, close"
    request = post(PATH, "hello", connection_header, offer, "HTTP2-Settings: AAMAAABk", close=False)
    with serving.connect() as connection:
        connection.sendall(request[:split])
        connection.sendall(request[split:])
        assert received(connection).endswith(b"direct rtr_a hello")


def test_a_body_that_reads_like_an_upgrade_is_left_as_it_is(serving: Serving) -> None:
    body = "a\r\nUpgrade: h2c\r\n\r\nb"
    assert serving.answer(post(body=body)).endswith(b"direct rtr_a " + body.encode())


@pytest.mark.parametrize(
    "request_",
    [
        post("/rtr_a/models"),
        post("/rtr%5Fa/chat/completions"),
        post(f"{PATH}?a=b"),
        post("/rtr_a/responses"),
        post(PATH, "x" * (LARGEST_BODY + 1)),
        post(PATH, "2\r\n{}\r\n0\r\n\r\n", "transfer-encoding: chunked"),
        post(PATH, "{}", "content-encoding: gzip"),
        post(PATH, "{}", "origin: https://a.example"),
        post(PATH, "{}", "accept: a", "accept: b"),
        post().replace(b"application/json", b"text/plain"),
        post().replace(b"content-type", b"x-type"),
        post(PATH, version="1.0"),
        post().replace(b"POST", b"PUT"),
    ],
)
def test_everything_else_is_served_as_asgi(serving: Serving, request_: bytes) -> None:
    assert serving.answer(request_).endswith(b"\r\n\r\nasgi")


def test_a_client_that_waits_for_100_gets_it(serving: Serving) -> None:
    told = serving.answer(post(PATH, "{}", "expect: 100-continue"))
    assert told.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@pytest.mark.parametrize("piece", [1, 7, 50])
def test_a_request_may_come_in_any_pieces(serving: Serving, piece: int) -> None:
    request = post(body="abcdefgh" * 20)
    with serving.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(request), piece):
            connection.sendall(request[start : start + piece])
        assert received(connection).endswith(b"\r\n\r\ndirect rtr_a " + b"abcdefgh" * 20)


def test_a_connection_serves_one_request_after_another_of_both_kinds(serving: Serving) -> None:
    with serving.connect() as connection:
        for path, wanted in 3 * [(PATH, b"direct rtr_a {}"), ("/rtr_a/models", b"asgi")]:
            connection.sendall(post(path, close=False))
            told = b""
            while not told.endswith(wanted):
                data = connection.recv(65_536)
                assert data, told
                told += data


def exchanged(connection: socket.socket, pieces: list[bytes], ends: bytes) -> bytes:
    """What is answered to these pieces, without what differs from request to request."""
    told = b""
    for piece in pieces:
        connection.sendall(piece)
    while not told.endswith(ends) and (data := connection.recv(65_536)):
        told += data
    return re.sub(rb"x-request-id: \w+", b"", told)


@pytest.mark.parametrize(
    ("pieces", "ends"),
    [
        ([post(body="", close=False)], b"direct rtr_a "),
        ([post(body="x" * 12_345, close=False)], b"x" * 12_345),
        ([post(body="x" * LARGEST_BODY, close=False)], b"x" * LARGEST_BODY),
        ([post(body="x" * (LARGEST_BODY + 1), close=False)], b"asgi"),
        ([post(body="abc", close=False)[:-2], b"bc"], b"abc"),
        ([post(body="abc", close=False)[:-3], b"ab", b"c"], b"abc"),
        ([post(body="abc", close=False)[:-2], b"bc" + post(body="def")], b"asgi"),
        ([post(body="abc", close=False)[:-9], post(body="abc", close=False)[-9:]], b"abc"),
        ([post(body="abc" + post(body="d").decode(), close=False)], b"\r\n\r\nd"),
        ([post(body="abc", close=False) + post(body="def")], b"asgi"),
        ([post(PATH, "abc", "content-length: 0003", close=False)], b"abc"),
        ([post(PATH, "abc", "content-length: 3\r\norigin: b", close=False)], b"asgi"),
        ([post(PATH, "abc", "content-length: x", close=False)], b'invalid_http"}}'),
        ([post("/rtr_b/chat/completions", "abc", close=False)], b"direct rtr_b abc"),
        ([b"\r\n" + post(body="abc", close=False)], b"abc"),
        ([post(body="abc", close=True)], b"abc"),
    ],
)
def test_a_request_after_others_of_its_connection_is_answered_as_if_it_were_the_first(
    serving: Serving, pieces: list[bytes], ends: bytes
) -> None:
    with serving.connect() as alone:
        wanted = exchanged(alone, pieces, ends)
    assert wanted.endswith(ends)
    with serving.connect() as second:
        assert exchanged(second, pieces, ends) == wanted, "as one whose head is known"
    with serving.connect() as connection:
        for body in ("{}", "a longer one", ""):
            exchanged(connection, [post(body=body, close=False)], b"direct rtr_a " + body.encode())
        assert exchanged(connection, pieces, ends) == wanted


def test_bytes_behind_a_request_that_is_being_answered_close_its_connection(serving: Serving) -> None:
    assert serving.answer(post(PATH, "abc", "content-length: 2", close=False)) == b""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The URLs of requests that are parsed from now on."""
    urls: list[bytes] = []

    def on_url(protocol: DirectProtocol, url: bytes) -> None:
        urls.append(url)
        protocol.url = url

    monkeypatch.setattr(DirectProtocol, "on_url", on_url)
    return urls


def test_a_request_like_the_one_before_is_not_parsed_again(serving: Serving, parsed: list[bytes]) -> None:
    with serving.connect() as connection:
        for number in range(20):
            told = exchanged(connection, [post(body=f"body {number:02}", close=False)], f"body {number:02}".encode())
            assert told.endswith(f"direct rtr_a body {number:02}".encode())
    assert parsed == [PATH.encode()]


def test_a_request_with_a_head_of_another_connection_is_not_parsed_again(serving: Serving, parsed: list[bytes]) -> None:
    paths = [f"/rtr_{name}/chat/completions" for name in "abc"]
    for _ in range(3):
        with serving.connect() as connection:
            for path in paths:
                told = exchanged(connection, [post(path, f"of {path}", close=False)], path.encode())
                assert told.endswith(f"direct {path.split('/')[1]} of {path}".encode())
    assert parsed == [path.encode() for path in paths]


def test_a_head_like_the_one_before_is_not_parsed_again_if_its_body_comes_later(
    serving: Serving, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    data_received = DirectProtocol.data_received

    def reads(protocol: DirectProtocol, data: bytes) -> None:
        read.append(data)
        data_received(protocol, data)

    monkeypatch.setattr(DirectProtocol, "data_received", reads)
    with serving.connect() as connection:
        for number in range(5):
            body = b"a body in three parts: %d" % number
            head = post(body=body.decode(), close=False).removesuffix(body)
            for piece in (head, body[:3]):
                connection.sendall(piece)
                wait_until(partial(is_last, read, piece), "the piece is read")
            assert exchanged(connection, [body[3:]], body).endswith(b"direct rtr_a " + body)
    assert parsed == [PATH.encode()]


def is_last(read: list[bytes], piece: bytes) -> bool:
    return read[-1:] == [piece]


def test_an_idle_connection_holds_no_body(serving: Serving) -> None:
    with serving.connect() as connection:
        connection.sendall(post(body="x" * 10_000, close=False))
        wait_until(lambda: connection.recv(65_536).endswith(b"xxx"), "the answer")
        assert isinstance(serving.echo.last, DirectHttp)
        assert serving.echo.last.body == b""


def test_pipelined_requests_are_answered_in_their_order(serving: Serving) -> None:
    bodies = [str(number) for number in range(20)]
    told = serving.answer(b"".join(post(body=body, close=body == bodies[-1]) for body in bodies))
    assert told.count(b"HTTP/1.1 200 ") == 20
    assert told.endswith(b"asgi")  # a pipelined one waits for its turn with uvicorn


def test_a_stream_is_chunked_and_ends(serving: Serving) -> None:
    head, _, body = serving.answer(post("/stream/v1/chat/completions")).partition(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked" in head
    assert b"\r\ncontent-type: text/event-stream" in head
    assert body == b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"


def test_a_client_that_does_not_read_does_not_keep_up(serving: Serving) -> None:
    with serving.connect() as connection:
        connection.sendall(post("/unread/chat/completions"))
        time.sleep(0.2)
        _, _, read = received(connection).partition(b"\r\n\r\n")
    written = int(read.split(b"\r\n")[-4])
    assert read.count(b"b") == written
    assert 0 < written < 2**26


@pytest.mark.parametrize("router_id", ["broken", "line"])
def test_a_mistake_of_our_own_closes_the_connection_and_says_nothing_wrong(serving: Serving, router_id: str) -> None:
    assert serving.answer(post(f"/{router_id}/chat/completions", close=False)) == b""


def test_a_client_that_leaves_ends_the_wait_for_it(serving: Serving) -> None:
    with serving.connect() as connection:
        connection.sendall(post("/wait/chat/completions", close=False))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: "wait while it was waited for" in serving.echo.left, "the client's leaving is noticed")


def test_a_connection_that_was_closed_is_freed_without_a_collection(serving: Serving) -> None:
    def connections() -> int:
        return sum(isinstance(each, DirectProtocol) for each in gc.get_objects())

    serving.echo.last = None
    gc.collect()
    gc.disable()
    try:
        before = connections()
        with serving.connect() as connection:
            connection.sendall(post("/wait/chat/completions"))
            assert connection.recv(1_000)
        serving.answer(post(body="{}"))
        serving.echo.last = None
        wait_until(lambda: connections() <= before, "the connections are gone")
    finally:
        gc.enable()


def test_a_client_that_leaves_ends_the_stream_before_its_pipelined_requests(serving: Serving) -> None:
    with serving.connect() as connection:
        connection.sendall(post("/endless/chat/completions", close=False) + post() + post())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: "endless while it was sent" in serving.echo.left, "the client's leaving is noticed")


@pytest.mark.parametrize("leaves", [True, False])
def test_a_body_that_never_comes_ends_its_request(serving: Serving, leaves: bool) -> None:
    serving.echo.left.clear()
    with serving.connect() as connection:
        connection.sendall(post("/half/chat/completions", '{"a', "content-length: 1000", close=False))
        if not leaves:
            assert received(connection) == b""  # closed, because it is silent
    wait_until(lambda: serving.echo.left == ["half while it sent"], "the request is over")
