"""The HTTP client against raw servers that say exactly what is written here."""

import asyncio
import contextlib
import gc
import gzip
import ssl
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.http.client import HttpClient, encode_headers
from gateway.providers.http.connection import HIGH_WATER, MAX_HEADER_BYTES, Connection
from gateway.providers.http.decompression import PIECE_BYTES, Decompressor
from gateway.providers.http.dialing import locate, proxy_for
from gateway.providers.http.errors import Fault, TransportError
from tests.support.sockets import Raw, listening

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def ask(client: HttpClient, url: str, body: bytes = b"{}", seconds: float = 5.0) -> tuple[int, bytes]:
    limit = asyncio.get_running_loop().time() + seconds
    with await client.send("POST", url, encode_headers({"X-A": "b"}), body, limit) as response:
        return response.status, await response.read(limit)


async def ask_whole(client: HttpClient, url: str, seconds: float = 5.0) -> bytes:
    limit = asyncio.get_running_loop().time() + seconds
    answer = await client.ask(url, encode_headers({"X-A": "b"}), b"{}", limit)
    if isinstance(answer, bytes):
        return answer
    with answer:
        return await answer.read(limit)


async def test_a_request_goes_out_as_http_says(client: HttpClient) -> None:
    raw = Raw(OK)
    async with listening(raw.serve) as port:
        assert await ask(client, f"http://127.0.0.1:{port}/v1/x?y=1") == (200, b"ok")
    head = f"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{{}}"
    assert raw.requests == [head.encode()]


ANSWERS: list[tuple[bytes, bytes, bool]] = [
    (OK, b"ok", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\t\r\n\r\n", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", b"ok", True),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
    (b"HTTP/1.1 200 OK\nX-A: a\n b\nContent-Length: 2\n\nok", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 7\r\n\r\na\r\n b\r\n", b"a\r\n b\r\n", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Identity\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: identity\r\n\r\nok", b"ok", True),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nConnection: close\r\n\r\nto the end",
        b"to the end",
        False,
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: none, identity\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok", True),
    (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok", True),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", b"until the end", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", b"ok", False),
    (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"ok", False),
    (OK + b"garbage", b"ok", False),
]
"""Answers, what their bodies are, and whether the connection serves another request."""


@pytest.mark.parametrize(("answer", "body", "kept"), ANSWERS)
async def test_an_answer_is_read_as_http_says(answer: bytes, body: bytes, kept: bool, client: HttpClient) -> None:
    raw = Raw(answer, OK)
    async with listening(raw.serve) as port:
        url = f"http://127.0.0.1:{port}/"
        assert (await ask(client, url))[1] == body
        assert await ask(client, url) == (200, b"ok")
    assert raw.connections == (1 if kept else 2)


@pytest.mark.parametrize(
    ("answer", "body", "kept"),
    [
        *ANSWERS,
        (b"HTTP/1.1 200 OK\r\nconnection:keep-alive\r\nX-A: a\r\ncontent-length:2 \r\n\r\nok", b"ok", True),
        (b"HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 2\r\n\r\nok", b"ok", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    ],
)
async def test_a_connection_that_was_kept_reads_each_answer_as_a_whole(
    answer: bytes, body: bytes, kept: bool, client: HttpClient
) -> None:
    raw = Raw(OK, answer, OK)
    async with listening(raw.serve) as port:
        url = f"http://127.0.0.1:{port}/"
        assert await ask_whole(client, url) == b"ok"
        assert await ask_whole(client, url) == body
        assert await ask_whole(client, url) == b"ok"
    assert raw.connections == (1 if kept else 2)
    assert len(set(raw.requests)) == 1


async def test_an_answer_in_parts_is_read_as_a_whole(client: HttpClient) -> None:
    parts = iter([(OK,), (OK[:-1], OK[-1:]), (OK[:10], OK[10:]), (OK,)])

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for each in parts:
            await reader.readuntil(b"{}")
            for part in each:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)

    async with listening(slow) as port:
        for _ in range(4):
            assert await ask_whole(client, f"http://127.0.0.1:{port}/") == b"ok"


async def test_a_call_that_is_cancelled_or_late_closes_its_connection(client: HttpClient) -> None:
    raw = Raw(OK, OK, OK)
    asked = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.connections += 1
        await reader.readuntil(b"{}")
        writer.write(OK)
        await reader.readuntil(b"{}")
        asked.set()
        assert await reader.read() == b""
        writer.close()
        async with raw.closed:
            raw.ended += 1
            raw.closed.notify_all()

    async with listening(mute) as port:
        url = f"http://127.0.0.1:{port}/"
        assert await ask_whole(client, url) == b"ok"
        with pytest.raises(TransportError) as told:
            await ask_whole(client, url, seconds=0.05)
        assert told.value.fault is Fault.TIMEOUT
        asked.clear()
        assert await ask_whole(client, url) == b"ok"
        task = asyncio.create_task(ask_whole(client, url))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(60), raw.closed:
            await raw.closed.wait_for(lambda: raw.ended == 2)
    assert raw.connections == 2


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", Fault.LOST),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf", Fault.LOST),
        (b"HTTP/1.1 200 OK\r\nConnection: close", Fault.LOST),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Fault.GARBLED),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\nok", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nok", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n 3\r\n\r\nok", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\n X-A: a\r\nContent-Length: 2\r\n\r\nok", Fault.GARBLED),
        (b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\0c\r\nContent-Length: 2\r\n\r\nok", Fault.GARBLED),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
            b"2\r\nok\r\n0\r\n\r\n",
            Fault.GARBLED,
        ),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(answer: bytes, fault: Fault, client: HttpClient) -> None:
    raw = Raw(answer)
    async with listening(raw.serve) as port:
        with pytest.raises(TransportError) as told:
            await ask(client, f"http://127.0.0.1:{port}/")
        async with asyncio.timeout(60), raw.closed:
            await raw.closed.wait_for(lambda: raw.ended == 1)  # the connection is not left open
    assert told.value.fault is fault
    assert told.value.before_any_byte == (answer == b"")


async def test_a_connection_that_its_server_closed_while_idle_is_not_used_again(client: HttpClient) -> None:
    raw = Raw(OK, OK)

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()
        async with raw.closed:
            raw.ended += 1
            raw.closed.notify_all()

    async with listening(once) as port:
        url = f"http://127.0.0.1:{port}/"
        for _ in range(3):
            assert await ask(client, url) == (200, b"ok")
            async with raw.closed:
                await raw.closed.wait_for(lambda: raw.ended == raw.connections)
            async with asyncio.timeout(60):
                while any(kept.is_open for pool in client._pools.values() for kept in pool):  # noqa: ASYNC110
                    await asyncio.sleep(0)  # the end of the connection is on its way to us
    assert raw.connections == 3


class Sink(asyncio.Transport):
    """Takes what is written: the test itself calls the protocol with what is received."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.mark.parametrize("portion", [1, 2, 7, 1_000])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n c\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: identity\r\nX-A: a b c\r\n\r\n",
        b"HTTP/1.1 200 OK\nX-A: a\n b\n\tc\nContent-Length: 2\n\n",
    ],
)
async def test_an_obsolete_head_is_read_alike_however_it_comes(head: bytes, portion: int) -> None:
    loop = asyncio.get_running_loop()
    connection = Connection(loop)
    connection.connection_made(Sink())
    answered = asyncio.create_task(connection.exchange(b"", b"", loop.time() + 5))
    await asyncio.sleep(0)
    for start in range(0, len(head), portion):
        connection.data_received(head[start : start + portion])
    connection.data_received(b"ok")
    await answered
    assert (connection.status, connection.headers[b"x-a"], connection.complete) == (200, b"a b c", True)
    assert await connection.read_some(loop.time() + 5) == b"ok"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: x\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: x\r\n", b" x\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2;", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X-T: x\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: ", b"x"),
    ],
    ids=["reason", "value", "headers", "fold", "interim", "interim headers", "chunk extension", "trailers", "trailer"],
)
async def test_what_frames_an_answer_is_bounded_wherever_it_does_not_end(
    start: bytes, more: bytes, client: HttpClient
) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(more * (4_096 // len(more)))
                sent += 4_096
                await writer.drain()
                await asyncio.sleep(0)

    async with listening(endless) as port:
        with pytest.raises(TransportError, match="too many headers") as told:
            await ask(client, f"http://127.0.0.1:{port}/", seconds=20.0)
    assert told.value.fault is Fault.GARBLED
    assert sent < 16 * MAX_HEADER_BYTES  # what the sockets between hold, at most


class TestRepeating:
    """A POST may have been worked on: it is sent again only if it can't have arrived at all."""

    async def test_a_reused_connection_that_closes_before_a_byte_is_replaced(self, client: HttpClient) -> None:
        raw = Raw(OK, b"", OK)
        async with listening(raw.serve) as port:
            url = f"http://127.0.0.1:{port}/"
            assert await ask(client, url) == (200, b"ok")
            assert await ask(client, url, b"second") == (200, b"ok")
        assert [request.partition(b"\r\n\r\n")[2] for request in raw.requests] == [b"{}", b"second", b"second"]
        assert raw.connections == 2

    async def test_a_new_connection_that_closes_before_a_byte_is_not(self, client: HttpClient) -> None:
        raw = Raw(b"", OK)
        async with listening(raw.serve) as port:
            with pytest.raises(TransportError) as told:
                await ask(client, f"http://127.0.0.1:{port}/")
        assert told.value.fault is Fault.LOST
        assert len(raw.requests) == 1

    async def test_not_even_where_it_replaces_a_reused_one(self, client: HttpClient) -> None:
        raw = Raw(OK, b"", b"", OK)
        async with listening(raw.serve) as port:
            url = f"http://127.0.0.1:{port}/"
            await ask(client, url)
            with pytest.raises(TransportError):
                await ask(client, url)
        assert len(raw.requests) == 3

    async def test_a_reused_connection_that_has_said_a_byte_is_not(self, client: HttpClient) -> None:
        raw = Raw(OK, b"HTTP/1.1 200 OK\r\nConnection: close", OK)
        async with listening(raw.serve) as port:
            url = f"http://127.0.0.1:{port}/"
            await ask(client, url)
            with pytest.raises(TransportError) as told:
                await ask(client, url)
        assert told.value.fault is Fault.LOST
        assert len(raw.requests) == 2


async def test_unpacking_lets_others_run_and_holds_the_limit(client: HttpClient) -> None:
    loop = asyncio.get_running_loop()
    bomb = zlib.compress(b"\0" * (20 * PIECE_BYTES))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with listening(Raw(head + bomb, head + bomb).serve) as port:
        url = f"http://127.0.0.1:{port}/"
        counting = asyncio.ensure_future(count())
        with await client.send("POST", url, b"", b"", loop.time() + 10) as response:
            first, turns = await response.read_some(loop.time() + 10), 0
            rest = await response.read(loop.time() + 10)
        counting.cancel()
        assert len(first) + len(rest) == 20 * PIECE_BYTES
        assert turns >= 19  # one for each piece
        with await client.send("POST", url, b"", b"", loop.time() + 10) as response:
            await response.read_some(loop.time() + 10)
            with pytest.raises(TransportError) as told:
                await response.read(loop.time())
    assert told.value.fault is Fault.TIMEOUT


@pytest.mark.parametrize("portion", [1, 5, 100_000])
@pytest.mark.parametrize(
    ("parts", "padding"), [(1, b""), (3, b""), (2, b"\0\0\0"), (1, b"\x1f"), (1, b"garbage")], ids=repr
)
def test_gzip_may_have_several_members_and_padding(parts: int, padding: bytes, portion: int) -> None:
    packed = b"".join(gzip.compress(b"part %d " % number) for number in range(parts)) + padding
    decompressor = Decompressor(["gzip"])
    unpacked = b""
    for start in range(0, len(packed), portion):
        unpacked += decompressor.feed(packed[start : start + portion])
        while decompressor.pending:
            unpacked += decompressor.feed(b"")
    assert unpacked == b"".join(b"part %d " % number for number in range(parts))


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES])
async def test_a_body_of_whole_pieces_is_unpacked_to_its_end(size: int, client: HttpClient) -> None:
    packed = zlib.compress(b"\0" * size)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with listening(Raw(head + packed).serve) as port:
        assert len((await ask(client, f"http://127.0.0.1:{port}/"))[1]) == size


async def test_packed_answers_are_unpacked_in_bounded_pieces(client: HttpClient) -> None:
    bomb = zlib.compress(b"\0" * (80 * 1024 * 1024))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with listening(Raw(head + bomb, head + bomb).serve) as port:
        url = f"http://127.0.0.1:{port}/"
        limit = asyncio.get_running_loop().time() + 10
        with await client.send("POST", url, b"", b"", limit) as response:
            assert len(await response.read_some(limit)) <= PIECE_BYTES
        with pytest.raises(TransportError, match="larger than") as told:
            await ask(client, url)
    assert told.value.fault is Fault.TOO_LARGE


@pytest.mark.parametrize("wbits", [31, 15, -15], ids=["gzip", "zlib", "bare deflate"])
async def test_every_kind_of_packing_is_read(wbits: int, client: HttpClient) -> None:
    packer = zlib.compressobj(wbits=wbits)
    body = packer.compress(b"hello " * 100) + packer.flush()
    name = b"gzip" if wbits == 31 else b"deflate"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (name, len(body))
    async with listening(Raw(head + body).serve) as port:
        assert (await ask(client, f"http://127.0.0.1:{port}/"))[1] == b"hello " * 100


async def test_an_answer_that_nobody_reads_makes_its_provider_wait() -> None:
    loop = asyncio.get_running_loop()
    made: list[Connection] = []
    sent = 0
    stuck = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                writer.write(b"x" * 65_536)
                async with asyncio.timeout(0.2):
                    await writer.drain()
                sent += 65_536
        stuck.set()

    async with listening(flood) as port:
        _, connection = await loop.create_connection(lambda: Connection(loop), "127.0.0.1", port)
        made.append(connection)
        await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", b"", loop.time() + 5)
        await asyncio.wait_for(stuck.wait(), 10)
        held = len(await connection.read_some(loop.time() + 5))
        assert held <= HIGH_WATER + 512 * 1024
        connection.abort()


async def test_a_connection_that_was_closed_is_freed_without_a_collection(client: HttpClient) -> None:
    def connections() -> int:
        return sum(isinstance(each, Connection) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = connections()
        for answer in (OK + b"garbage", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"):
            async with listening(Raw(answer).serve) as port:
                limit = asyncio.get_running_loop().time() + 5
                with await client.send("POST", f"http://127.0.0.1:{port}/", b"", b"", limit) as response:
                    assert await response.read_some(limit) == b"ok"
            await asyncio.sleep(0.1)
        del response
        assert connections() == before
    finally:
        gc.enable()


async def test_a_time_limit_holds_at_every_step(client: HttpClient) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(mute) as port:
        for seconds in (0.05, 0.0, -1.0):
            with pytest.raises(TransportError) as told:
                await ask(client, f"http://127.0.0.1:{port}/", seconds=seconds)
            assert told.value.fault is Fault.TIMEOUT


async def test_a_large_body_goes_out_whole(client: HttpClient) -> None:
    raw = Raw(OK)
    async with listening(raw.serve) as port:
        assert await ask(client, f"http://127.0.0.1:{port}/", b"x" * 5_000_000) == (200, b"ok")
    assert raw.requests[0].endswith(b"\r\n\r\n" + b"x" * 5_000_000)


@given(st.text(max_size=20))
def test_no_header_can_hold_another(value: str) -> None:
    if not (value.isascii() and value.isprintable()):
        with pytest.raises(ValueError, match="the header 'Authorization' must be one line of printable ASCII"):
            encode_headers({"Authorization": f"Bearer {value}"})
        return
    line = encode_headers({"Authorization": f"Bearer {value}"})
    assert line.count(b"\r\n") == 1
    assert line.endswith(b"\r\n")


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a/", "http://", "//a/b", "http://a/\r\nX: y", "http://ä/", "http://[::1/", "http://a:99999/"),
        *("http://a:b/", "http://a:0/", "http://a..b/", "http://.a/", "http://-a/", f"http://{'a' * 64}/"),
        *(f"http://{'a.' * 130}com/", "http://a\x01b/", "http://a b/", "http://a%20b/", "http://a\\b/", "http://a,b/"),
    ],
)
async def test_what_is_no_web_address_is_refused(url: str, client: HttpClient) -> None:
    with pytest.raises(TransportError, match="must be a URL like https://") as told:
        await ask(client, url)
    assert told.value.fault is Fault.REFUSED


@pytest.mark.parametrize(
    "url", ["http://a_b:1/", "http://[::1]:8/", "https://a.b.", "http://1.2.3.4", "http://xn--4ca.de/"]
)
def test_what_is_one_is_taken(url: str) -> None:
    assert locate(url).path == "/"


async def test_a_name_that_does_not_exist_is_told(client: HttpClient) -> None:
    with pytest.raises(TransportError, match=r"host name can't be resolved|no connection") as told:
        await ask(client, "http://does-not-exist.invalid/")
    assert told.value.fault is Fault.REFUSED


class TestProxies:
    @pytest.fixture(autouse=True)
    def no_other_proxies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    async def test_plain_http_goes_through_the_proxy_in_full(
        self, client: HttpClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = Raw(OK)
        async with listening(raw.serve) as port:
            monkeypatch.setenv("http_proxy", f"http://me:s%40cret@127.0.0.1:{port}")
            assert await ask(client, "http://api.example.com/v1") == (200, b"ok")
        assert raw.requests[0].startswith(b"POST http://api.example.com/v1 HTTP/1.1\r\nHost: api.example.com\r\n")
        assert b"Proxy-Authorization: Basic bWU6c0BjcmV0\r\n" in raw.requests[0]

    @pytest.mark.parametrize("url", ["127.0.0.1", "127.8.9.10", "localhost", "api.localhost", "[::1]", "0.0.0.0"])  # noqa: S104
    def test_this_machine_is_never_asked_through_one(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
        assert proxy_for(f"http://{url}:11434/v1") is None

    @pytest.mark.parametrize(
        ("host", "listed", "direct"),
        [
            ("10.1.2.3", "10.0.0.0/8", True),
            ("10.1.2.3", "a.example.com, 10.0.0.0/8", True),
            ("11.1.2.3", "10.0.0.0/8", False),
            ("10.1.2.3", "10.1.2.3", True),
            ("10.1.2.3", "10.1.2.3/33,10.1.2.0/24", True),
            ("[fd00::5]", "fd00::/8", True),
            ("[fd00::5]", "[fd00::5]", True),
            ("[fd00::5]", "10.0.0.0/8", False),
            ("api.example.com", "10.0.0.0/8", False),
            ("api.example.com", ".example.com", True),
            ("api.example.com", "*", True),
        ],
    )
    def test_no_proxy_lists_names_and_networks(
        self, host: str, listed: str, direct: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
        monkeypatch.setenv("no_proxy", listed)
        assert (proxy_for(f"http://{host}/v1") is None) is direct

    @pytest.mark.parametrize("proxy", ["http://proxy:abc", "http://[::1", "socks5://proxy:1080", "https://proxy"])
    async def test_one_that_can_not_be_used_is_told(
        self, proxy: str, client: HttpClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(TransportError, match="the environment's proxy") as told:
            await ask(client, "https://api.example.com/v1")
        assert told.value.fault is Fault.REFUSED

    async def test_https_goes_through_a_tunnel_and_is_verified_at_its_end(
        self, certificate: "Certificate", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[bytes] = []
        raw = Raw(OK)
        async with listening(raw.serve, certificate.server) as provider:

            async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there = await asyncio.open_connection("127.0.0.1", provider)
                await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

            async with listening(tunnel) as port:
                monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
                client = HttpClient(certificate.client)
                await client.start()
                assert await ask(client, "https://provider.test:9443/v1") == (200, b"ok")
                await client.close()
        assert asked[0].startswith(b"CONNECT provider.test:9443 HTTP/1.1\r\nHost: provider.test:9443\r\n")
        assert raw.requests[0].startswith(b"POST /v1 HTTP/1.1\r\n")

    async def test_a_proxy_that_refuses_is_told(self, client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
        raw = Raw(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        async with listening(raw.serve) as port:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
            with pytest.raises(TransportError, match=r"proxy did not connect .* 407") as told:
                await ask(client, "https://api.example.com/v1")
        assert told.value.fault is Fault.REFUSED


class Certificate:
    """A certificate for localhost, made for the test."""

    def __init__(self, folder: Path) -> None:
        key, cert = folder / "key.pem", folder / "cert.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost,DNS:provider.test,IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(cert, key)
        self.client = ssl.create_default_context(cafile=cert)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    try:
        return Certificate(tmp_path_factory.mktemp("certificate"))
    except FileNotFoundError:
        pytest.skip("there is no openssl command to make a certificate with")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except ConnectionError:
        pass  # the other side has left
    finally:
        writer.close()


async def test_tls_is_verified(certificate: Certificate, client: HttpClient) -> None:
    raw = Raw(OK)
    async with listening(raw.serve, certificate.server) as port:
        with pytest.raises(TransportError, match="TLS") as told:
            await ask(client, f"https://localhost:{port}/")
        assert told.value.fault is Fault.TLS
        trusting = HttpClient(certificate.client)
        await trusting.start()
        assert await ask(trusting, f"https://localhost:{port}/") == (200, b"ok")
        await trusting.close()
    assert len(raw.requests) == 1
