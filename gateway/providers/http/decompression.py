"""Decompresses a body in bounded pieces."""

import zlib

from gateway.providers.http.errors import Fault, TransportError

PIECE = 1024 * 1024
_GZIP = b"\x1f\x8b"


def content_codings(value: str) -> list[str]:
    """The codings of a `Content-Encoding` header, without those that mean none."""
    return [name for coding in value.split(",") if (name := coding.strip().lower()) not in {"", "identity", "none"}]


class Inflater:
    """Undoes gzip or deflate. `more`: another piece is to be had without further bytes."""

    __slots__ = ("_deflate", "_raw_too", "_rest", "_unpacker", "more")

    def __init__(self, codings: list[str]) -> None:
        """Raises TransportError for a coding that was not asked for."""
        if len(codings) != 1 or codings[0] not in {"gzip", "x-gzip", "deflate"}:
            named = ", ".join(codings)
            raise TransportError(Fault.GARBLED, f"the provider's answer is packed in a way not asked for: {named[:40]}")
        self._deflate = codings[0] == "deflate"
        self._unpacker = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # gzip or zlib, by its header
        self._raw_too = self._deflate
        self._rest = b""
        self.more = False

    def feed(self, data: bytes) -> bytes:
        """At most PIECE bytes of what these, and what is left of earlier ones, unpack to. Raises TransportError."""
        data = self._rest + data
        if self._unpacker.eof and not self._begin_member(data):
            return b""
        try:
            unpacked = self._unpacker.decompress(data, PIECE)
        except zlib.error as error:
            if not self._raw_too:
                raise TransportError(Fault.GARBLED, "the provider's answer could not be unpacked") from error
            # "deflate" means zlib's format, but some send it bare (RFC 9110 §8.4.1.2).
            self._unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            self._raw_too, self._rest = False, b""
            return self.feed(data)
        self._raw_too = False
        self._rest = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
        # A full piece may have left output behind inside zlib, even where all input is used up.
        self.more = bool(self._rest) or len(unpacked) == PIECE
        return unpacked

    def _begin_member(self, data: bytes) -> bool:
        """Go on behind an end: gzip may have several members (RFC 1952 §2.2); anything else there is ignored."""
        self.more = False
        if self._deflate or not data.startswith(_GZIP):
            self._rest = data if data == _GZIP[:1] else b""
            return False
        self._unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        return True
