"""Reads the bodies of requests: decompressed within limits, and off the event loop if they are large."""

import asyncio
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.asgi import HttpRequest
from gateway.completions.structure import SLICE_BYTES
from gateway.errors import BadRequest, RequestTooLarge

MOST_MEMBERS = 1_000
"""Members of a gzip body: parallel compressors write one per 128 KiB."""
_PIECE = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS

T = TypeVar("T")


class Bodies:
    """Parses bodies: small ones at once, large and compressed ones in turn on one thread.

    One thread, because parsing holds the interpreter's lock: several would only take it from the event loop more often.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "bodies")

    async def read(self, http: HttpRequest, limit: int, parse: Callable[[bytes], T]) -> T:
        """Read the whole body and parse it. `limit` bounds its bytes, as sent and decompressed.

        Raises what `HttpRequest.read_body` and `parse` raise, RequestTooLarge, and BadRequest for broken gzip.
        """
        body = await http.read_body(limit)
        if http.is_compressed:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: parse(decompress(body, limit))
            )
        if len(body) > SLICE_BYTES:
            return await asyncio.get_running_loop().run_in_executor(self._thread, parse, body)
        return parse(body)

    def close(self) -> None:
        """End the thread. No body is read any more."""
        self._thread.shutdown()


def decompress(body: bytes, limit: int) -> bytes:
    """Decompress gzip of one or several members, up to `limit` bytes. Raises BadRequest, RequestTooLarge."""
    parts: list[bytes] = []
    room = limit
    member = zlib.decompressobj(_GZIP)
    members = 1
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        while piece:
            if member.eof:
                members += 1
                if members > MOST_MEMBERS:
                    raise BadRequest(f"the gzip body has more than {MOST_MEMBERS:,} members: send one")
                member = zlib.decompressobj(_GZIP)
            try:
                part = member.decompress(piece, room + 1)
            except zlib.error:
                raise BadRequest("the body is not valid gzip, although Content-Encoding says so") from None
            room -= len(part)
            if room < 0:
                raise RequestTooLarge(f"the body is larger than {limit:,} bytes when it is decompressed")
            parts.append(part)
            piece = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise BadRequest("the gzip body is cut off: its end is missing")
    return b"".join(parts)
