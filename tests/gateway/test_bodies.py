"""Bodies: gzip within limits, and large ones away from the event loop."""

import asyncio
import gzip
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.asgi import HttpRequest
from gateway.bodies import MOST_MEMBERS, Bodies, decompress
from gateway.completions.structure import SLICE_BYTES
from gateway.errors import BadRequest, RequestTooLarge, UnsupportedMedia

LIMIT = 1_000_000


@pytest.fixture
async def bodies() -> AsyncIterator[Bodies]:
    made = Bodies()
    yield made
    made.close()


def request(body: bytes, *headers: tuple[bytes, bytes]) -> HttpRequest:
    """A request that brings its body in two parts."""
    parts = [{"body": body[:5], "more_body": True}, {"body": body[5:], "more_body": False}]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", **parts.pop(0)}

    return HttpRequest({"headers": [(b"content-type", b"application/json"), *headers]}, receive)


def zipped(body: bytes) -> HttpRequest:
    return request(body, (b"content-encoding", b"gzip"))


def where(body: bytes) -> tuple[bytes, str]:
    return body, threading.current_thread().name


async def test_small_bodies_are_parsed_at_once_and_others_on_one_thread(bodies: Bodies) -> None:
    here = threading.current_thread().name
    assert await bodies.read(request(b"{}"), LIMIT, where) == (b"{}", here)
    large = b" " * (SLICE_BYTES + 1)
    threads = {(await bodies.read(http, LIMIT, where))[1] for http in (request(large), zipped(gzip.compress(b"{}")))}
    assert threads == {"bodies_0"}


async def test_the_event_loop_goes_on_while_a_large_body_is_parsed(bodies: Bodies) -> None:
    """The parser waits for what the loop does meanwhile."""
    others_went_on = threading.Event()

    def parse(body: bytes) -> bool:
        return others_went_on.wait(60)

    parsing = asyncio.create_task(bodies.read(request(b" " * (SLICE_BYTES + 1)), LIMIT, parse))
    await asyncio.sleep(0)
    others_went_on.set()
    assert await parsing


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(0, 9))
def test_a_body_of_several_members_is_their_sum(members: list[bytes], level: int) -> None:
    whole = b"".join(members)
    body = b"".join(gzip.compress(member, level) for member in members)
    assert decompress(body, len(whole)) == whole
    if whole:
        with pytest.raises(RequestTooLarge):
            decompress(body, len(whole) - 1)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_what_is_cut_off_or_no_gzip_is_told(content: bytes, data: st.DataObject) -> None:
    body = gzip.compress(content)
    end = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(BadRequest, match="cut off"):
        decompress(body[:end], LIMIT)
    for wrong in (content, zlib.compress(content), body + b"rest", body[:-5] + bytes([body[-5] ^ 1]) + body[-4:]):
        with pytest.raises(BadRequest, match=r"not valid gzip|cut off"):
            decompress(wrong, LIMIT)


def test_a_gigabyte_of_zeros_is_refused_in_little_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()
    assert len(bomb) < 1_200_000
    tracemalloc.start()
    with pytest.raises(RequestTooLarge, match="larger than 20,971,520 bytes when it is decompressed"):
        decompress(bomb, 20 * 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 20 * 2**20


def test_a_body_of_endless_empty_members_is_refused() -> None:
    empty = gzip.compress(b"")
    assert decompress(empty * MOST_MEMBERS, LIMIT) == b""
    with pytest.raises(BadRequest, match="more than 1,000 members"):
        decompress(empty * (MOST_MEMBERS + 1), LIMIT)


@pytest.mark.parametrize("encoding", [b"br", b"deflate", b"gzip, gzip", b"zstd"])
async def test_another_encoding_is_refused_by_its_name(encoding: bytes, bodies: Bodies) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        await bodies.read(request(b"{}", (b"content-encoding", encoding)), LIMIT, where)
    assert f"must be gzip or none, not {encoding.decode()}" in str(caught.value)


@pytest.mark.parametrize("encoding", [b"", b"identity", b"Identity"])
async def test_no_encoding_may_be_said(encoding: bytes, bodies: Bodies) -> None:
    assert (await bodies.read(request(b"{}", (b"content-encoding", encoding)), LIMIT, where))[0] == b"{}"


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"x-gzip"])
async def test_gzip_is_known_by_all_its_names(encoding: bytes, bodies: Bodies) -> None:
    http = request(gzip.compress(b"{}"), (b"content-encoding", encoding))
    assert (await bodies.read(http, LIMIT, where))[0] == b"{}"


async def test_the_limit_holds_for_the_compressed_bytes_too(bodies: Bodies) -> None:
    with pytest.raises(RequestTooLarge):
        await bodies.read(zipped(gzip.compress(b"{}")), 10, where)
