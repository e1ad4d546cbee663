"""How long a stream may be silent, and how large it may be."""

import asyncio

from gateway.providers.upstream.faults import malformed
from gateway.providers.upstream.provider import Chunk
from gateway.providers.upstream.reader import Reader

LINGER_SECONDS = 2.0
"""How long to wait for usage and the end of a stream after its answer is complete."""
MAX_STREAM_BYTES = 256 * 1024 * 1024
"""Ends a stream that never ends: a stream that flows has no time limit."""


class StreamLimits:
    """Time limits of one stream: its first content or reasoning, each silence; and its size."""

    __slots__ = (
        "_bytes",
        "_end_deadline",
        "_first_deadline",
        "_idle_seconds",
        "_lived_at",
        "_loop",
        "_silence_seconds",
    )

    def __init__(self, idle_seconds: float, silence_seconds: float, first_deadline: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle_seconds = min(idle_seconds, silence_seconds)
        self._silence_seconds = silence_seconds
        self._first_deadline = first_deadline
        self._end_deadline: float | None = None  # set once the answer is complete
        self._lived_at = first_deadline
        self._bytes = 0

    def received(self, size: int, chunks: list[Chunk]) -> None:
        """Count received bytes, and note a sign of life in their chunks. Raises ProviderError if they are too many."""
        self._bytes += size
        if self._bytes > MAX_STREAM_BYTES:
            raise malformed(f"a stream of more than {MAX_STREAM_BYTES:,} bytes")
        for chunk in chunks:
            if chunk.says or chunk.thinks:
                self._lived_at = self._loop.time()
                break

    def passed_on(self, size: int) -> float:
        """Count received bytes that bring content, and return the deadline of what follows them."""
        self._bytes += size
        self._lived_at = self._loop.time()
        return self._lived_at + self._idle_seconds

    def allows(self, size: int) -> bool:
        """Whether the stream may have so many bytes more."""
        return self._bytes + size <= MAX_STREAM_BYTES

    def deadline(self, reader: Reader) -> float:
        """When the next bytes must have been received, on the event loop's clock."""
        now = self._loop.time()
        if reader.complete:
            if self._end_deadline is None:
                self._end_deadline = now + LINGER_SECONDS
            return self._end_deadline
        if reader.alive:
            return min(now + self._idle_seconds, self._lived_at + self._silence_seconds)
        return self._first_deadline
