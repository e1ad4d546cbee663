"""Decompresses response bodies in bounded pieces."""

import zlib

from gateway.providers.http.errors import Fault, TransportError

PIECE_BYTES = 1024 * 1024
_GZIP = b"\x1f\x8b"


def content_codings(value: str) -> list[str]:
    """The codings of a `Content-Encoding` header, without `identity` and `none`."""
    return [name for coding in value.split(",") if (name := coding.strip().lower()) not in {"", "identity", "none"}]


class Decompressor:
    """Decompressor of gzip or deflate. `pending`: `feed(b"")` may return more."""

    __slots__ = ("_deflate", "_raw_too", "_rest", "_zlib", "pending")

    def __init__(self, codings: list[str]) -> None:
        """Raises TransportError for any other coding, and for more than one."""
        if len(codings) != 1 or codings[0] not in {"gzip", "x-gzip", "deflate"}:
            named = ", ".join(codings)
            raise TransportError(
                Fault.GARBLED, f"the provider compressed its answer with {named[:40]}, which was not asked for"
            )
        self._deflate = codings[0] == "deflate"
        self._zlib = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # gzip or zlib, by its header
        self._raw_too = self._deflate
        self._rest = b""
        self.pending = False

    def feed(self, data: bytes) -> bytes:
        """Decompress up to PIECE_BYTES, of what earlier calls left over first. Raises TransportError."""
        data = self._rest + data
        if self._zlib.eof and not self._begin_member(data):
            return b""
        try:
            decompressed = self._zlib.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            if not self._raw_too:
                raise TransportError(Fault.GARBLED, "the provider's answer could not be decompressed") from error
            # "deflate" means the zlib format, but some servers send raw deflate data (RFC 9110 §8.4.1.2).
            self._zlib = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            self._raw_too, self._rest = False, b""
            return self.feed(data)
        self._raw_too = False
        self._rest = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
        # A full piece may leave output inside zlib although all input is consumed.
        self.pending = bool(self._rest) or len(decompressed) == PIECE_BYTES
        return decompressed

    def _begin_member(self, data: bytes) -> bool:
        """Start the next gzip member (RFC 1952 §2.2); False if the data is padding, which is ignored."""
        self.pending = False
        if self._deflate or not data.startswith(_GZIP):
            self._rest = data if data == _GZIP[:1] else b""
            return False
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        return True
