"""Chunks that are taken without the parser: as if it had seen them."""

import asyncio
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.http import connection
from gateway.providers.http.chunks import whole_chunks
from gateway.providers.http.connection import Connection
from gateway.providers.http.errors import TransportError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZES = st.sampled_from(["%x", "%x", "%x", "%x", "%X", "0%x", "%x;name=value", "%x ", "+%x", "0x%x", "-%x", "%x\n"])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"", b"x"])
LASTS = st.sampled_from(
    [
        b"",
        b"0\r\n\r\n",
        b"0\r\n\r\n",
        b"0\r\nX-T: 1\r\n\r\n",
        b"000\r\n\r\n",
        b"0\n\n",
        b"0\r\n\r\nHTTP/1.1",
    ]
)
CONTENTS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([b"\r\n", b"a\r", b"5\r\n", b"data: {}\n\n", b"x" * 300, b"0\r\n\r\n", b"2\r\nok\r\n"]),
)


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    """A body in chunked coding, of chunks in usual, unusual and wrong forms."""
    body = b""
    for content in draw(st.lists(CONTENTS, max_size=6)):
        size = draw(SIZES) % len(content)
        body += size.encode() + b"\r\n" + content + draw(ENDS)
    return body + draw(LASTS)


class Wire(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass


async def read(parts: list[bytes]) -> tuple[bytes, str, bool, bool]:
    """The body of an answer that comes in these parts, the error that ends it, and whether the connection is kept."""
    loop = asyncio.get_running_loop()
    receiving = Connection(loop)
    receiving.connection_made(Wire())
    asked = loop.create_task(receiving.exchange(b"", b"", loop.time() + 5))
    await asyncio.sleep(0)
    body, error = b"", ""
    for part in parts:
        if receiving.is_open:
            receiving.data_received(part)
    receiving.connection_lost(None) if not receiving.complete else None
    try:
        await asked
        while part := await receiving.read_some(loop.time() + 5):
            body += part
    except TransportError as told:
        error = str(told)
    return body, error, receiving.complete, receiving.reusable


@given(chunked(), st.lists(st.integers(1, 400), max_size=6), st.booleans())
def test_a_body_is_read_as_the_parser_would_however_it_comes(sent: bytes, cuts: list[int], apart: bool) -> None:
    answer = HEAD + sent
    places = sorted({cut for cut in cuts if cut < len(answer)} | ({len(HEAD)} if apart else set()))
    parts = [answer[start:end] for start, end in zip([0, *places], [*places, len(answer)], strict=True)]
    found = asyncio.run(read(parts))
    with patch.object(connection, "whole_chunks", lambda _: (b"", 0)):
        assert found == asyncio.run(read(parts))


@pytest.mark.parametrize(
    ("data", "body", "end"),
    [
        (b"2\r\nok\r\n", b"ok", 7),
        (b"C\r\ndata: {...}\n\r\n", b"data: {...}\n", 17),
        (b"2\r\nok\r\n1\r\n!\r\n", b"ok!", 13),
        (b"2\r\nok\r\n2\r\no", b"ok", 7),
        (b"2\r\nok\r\n0\r\n\r\n", b"ok", 7),
        (b"0\r\n\r\n", b"", 0),
        (b"02\r\nok\r\n", b"", 0),
        (b"2;a=b\r\nok\r\n", b"", 0),
        (b"3\r\nok\r\n", b"", 0),
        (b"\r\nok\r\n", b"", 0),
        (b"", b"", 0),
    ],
)
def test_whole_chunks_are_those_in_their_usual_form(data: bytes, body: bytes, end: int) -> None:
    assert whole_chunks(data) == (body, end)


async def test_the_parser_sees_no_whole_chunk_of_a_stream() -> None:
    loop = asyncio.get_running_loop()
    with patch.object(Connection, "on_chunk_header") as parsed:
        receiving = Connection(loop)
        receiving.connection_made(Wire())
        asked = loop.create_task(receiving.exchange(b"", b"", loop.time() + 5))
        await asyncio.sleep(0)
        receiving.data_received(HEAD + b"1\r\na\r\n")
        receiving.data_received(b"1\r\nb\r\n2\r\ncd\r\n")
        receiving.data_received(b"1\r\ne\r\n")
        assert parsed.call_count == 0
        receiving.data_received(b"01\r\nf\r\n")
        assert parsed.call_count == 1
    await asked
    assert await receiving.read_some(loop.time() + 5) == b"abcdef"


@pytest.mark.parametrize("coding", [b"chunked\r\nTransfer-Encoding: identity", b"chunked, identity"])
async def test_what_the_parser_takes_for_no_chunks_is_left_to_it(coding: bytes) -> None:
    parts = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n" % coding, b"2\r\nok\r\n", b"0\r\n\r\n"]
    found = await read(parts)
    with patch.object(connection, "whole_chunks", lambda _: (b"", 0)):
        assert found == await read(parts)
    assert found[0] == b"2\r\nok\r\n0\r\n\r\n"
