"""What is read of a plain answer at once is what the parser reads of it."""

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.providers.http.connection import Connection
from gateway.providers.http.plain_answer import plain_body
from tests.gateway.providers.http.test_client import Sink

NAMES = [
    b"content-length",
    b"Content-Length",
    b"Content-Type",
    b"Connection",
    b"proxy-connection",
    b"Keep-Alive",
    b"TRANSFER-ENCODING",
    b"Content-Encoding",
    b"upgrade",
    b"Trailer",
    b"X-A",
    b"X A",
    b"",
]
VALUES = [
    b"2",
    b"02",
    b"+2",
    b"2, 2",
    b"0",
    b"close",
    b"keep-alive",
    b"chunked",
    b"identity",
    b"\xe9",
    b"a\0b",
    b"a\tb",
    b"",
]
USUAL = st.sampled_from(
    [b"Date: Thu\r\n", b"Connection: keep-alive\r\n", b"X-A:\t\xe9 \r\n", b"te:\r\n", b"Content-Type: a/b\r\n"]
)
ODD = st.tuples(
    st.sampled_from(NAMES) | st.binary(max_size=3),
    st.sampled_from([b":", b": ", b":\t", b" :", b""]),
    st.sampled_from(VALUES) | st.binary(max_size=3),
    st.sampled_from([b"\r\n"] * 5 + [b"\n", b"\r", b" \r\n", b"\r\n "]),
).map(b"".join)
HEADERS = st.tuples(st.lists(USUAL, max_size=3).map(b"".join), ODD | st.just(b"")).map(b"".join)


@given(
    start=st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n"] * 4 + [b"HTTP/1.1 200 \r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 201 C\r\n"]
    ),
    before=HEADERS,
    after=HEADERS,
    body=st.sampled_from([b"ok", b"ok", b"o", b"oks", b""]),
)
@example(start=b"HTTP/1.1 200 OK\r\n", before=b"", after=b"content-length: 2\r\n", body=b"ok")
def test_what_is_read_at_once_is_what_the_parser_reads(start: bytes, before: bytes, after: bytes, body: bytes) -> None:
    received = start + before + b"Content-Length: 2\r\n" + after + b"\r\n" + body
    whole = plain_body(received)
    if whole is not None:
        assert asyncio.run(_parsed(received)) == (200, whole, True)


def test_a_plain_answer_is_read_at_once() -> None:
    headers = (
        b"Date: Thu\r\ncontent-LENGTH:\t2\r\nConnection: keep-alive\r\nTE: x\r\nContent-Type: a/b\r\nserver:\xe9\r\n"
    )
    assert plain_body(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\nok") == b"ok"


async def _parsed(received: bytes) -> tuple[int, bytes | None, bool]:
    connection = Connection(asyncio.get_running_loop())
    connection.connection_made(Sink())
    asked = asyncio.create_task(connection.exchange(b"", b"", float("inf")))
    await asyncio.sleep(0)
    connection.data_received(received)
    await asked
    return connection.status, connection.take_all(), connection.reusable
