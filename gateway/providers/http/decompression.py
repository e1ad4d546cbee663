"""Unpacks a body that came compressed, a bounded piece at a time."""

import zlib

from gateway.providers.http.errors import Fault, TransportError

PIECE = 1024 * 1024


class Inflater:
    """Undoes gzip or deflate. What a piece leaves over is `waiting` for the next."""

    __slots__ = ("_raw_too", "_unpacker", "waiting")

    def __init__(self, encoding: str) -> None:
        """Raises TransportError, for an encoding that was not asked for."""
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise TransportError(
                Fault.GARBLED, f"the provider's answer is packed in a way not asked for: {encoding[:40]}"
            )
        self._unpacker = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # gzip or zlib, by its header
        self._raw_too = encoding == "deflate"
        self.waiting = b""

    def feed(self, data: bytes) -> bytes:
        """At most PIECE bytes of what these unpack to. Raises TransportError."""
        data = self.waiting + data
        try:
            unpacked = self._unpacker.decompress(data, PIECE)
        except zlib.error as error:
            if not self._raw_too:
                raise TransportError(Fault.GARBLED, "the provider's answer could not be unpacked") from error
            # "deflate" means zlib's format, but some send it bare (RFC 9110 §8.4.1.2).
            self._unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            self._raw_too = False
            return self.feed(data)
        self._raw_too = False
        self.waiting = self._unpacker.unconsumed_tail
        return unpacked
