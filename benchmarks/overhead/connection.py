"""One connection of the load generator: it asks, reads the whole answer, checks it, and asks again."""

import asyncio
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import httptools

from benchmarks.overhead.script import CHUNKS, FIRST_WORD, check_answer, check_stream

Asked = tuple[bytes, bool]
"""A whole HTTP request, and whether it asks for a stream."""

CHECK_EVERY = 50
"""One answer in this many is parsed and compared; of all others status, length and end are checked."""

_SHORTEST_STREAM = 40 * CHUNKS
_SHOWN_ERRORS = 5


@dataclass(slots=True)
class Tally:
    """Counts and times of the answers: seconds of `perf_counter`, an entry per answer in each array."""

    sent: int = 0
    finished: int = 0
    checked: int = 0
    error_count: int = 0
    errors: list[str] = field(default_factory=list)
    reconnects: int = 0
    body_bytes: int = 0
    finished_bytes: int = 0
    ends: "array[float]" = field(default_factory=lambda: array("d"))
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    first_tokens: "array[float]" = field(default_factory=lambda: array("d"))

    def blame(self, what: str) -> None:
        """Count an error, and keep the messages of the first few."""
        self.error_count += 1
        if len(self.errors) < _SHOWN_ERRORS:
            self.errors.append(what)


class ClientProtocol(asyncio.Protocol):
    """Sends what `next_request` returns, as soon as the connection is open and after each answer, until `stop`.

    If that is None the connection stays open, and `ask` sends the next one.
    """

    def __init__(self, next_request: "Callable[[ClientProtocol], Asked | None]", tally: Tally) -> None:
        self._next_request = next_request
        self._stream = False
        self._tally = tally
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._started = 0.0
        self._first_token = 0.0
        self._asking = False
        self._stopping = False
        self.asked = 0  # requests sent
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count an unfinished answer as an error."""
        if self._asking and not self._stopping:
            self._tally.blame(f"the connection closed in the middle of an answer: {self._body()[-300:]!r}")
        if not self.closed.done():
            self.closed.set_result(None)

    def stop(self) -> None:
        """Close the connection, even within an answer."""
        self._stopping = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse bytes of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._tally.blame(f"not HTTP ({error}): {data[:200]!r}")
            self._stopping = True
            self._transport.close()

    def on_body(self, body: bytes) -> None:
        """Keep a part of an answer's body."""
        self._parts.append(body)
        self._tally.body_bytes += len(body)
        if self._stream and not self._first_token and FIRST_WORD in body:
            self._first_token = perf_counter()

    def on_message_complete(self) -> None:
        """Note the times of a whole answer, check it, and send the next request."""
        tally, now = self._tally, perf_counter()
        self._asking = False
        tally.finished += 1
        tally.finished_bytes += sum(map(len, self._parts)) if self._stream else 0
        tally.ends.append(now)
        tally.latencies.append(now - self._started)
        tally.first_tokens.append(self._first_token - self._started if self._stream else 0.0)
        self._check()
        if self._stopping:
            self._transport.close()
        elif self._parser.should_keep_alive():
            self._go_on()
        else:
            tally.reconnects += 1
            self._transport.close()

    def ask(self, request: Asked, due: float | None = None) -> None:
        """Send a request. Its latency counts from `due`: when it should have been sent, if that is earlier than now."""
        content, self._stream = request
        self._parts.clear()
        self._first_token = 0.0
        self._asking = True
        self.asked += 1
        self._tally.sent += 1
        self._started = perf_counter() if due is None else due
        self._transport.write(content)

    def close(self) -> None:
        """Close the connection, which is idle."""
        self._transport.close()

    def _go_on(self) -> None:
        if (request := self._next_request(self)) is not None:
            self.ask(request)

    def _check(self) -> None:
        tally = self._tally
        status = self._parser.get_status_code()
        if status != 200:
            tally.blame(f"status {status}: {self._body()[:300]!r}")
            return
        wrong = None
        if tally.finished % CHECK_EVERY == 1:
            tally.checked += 1
            wrong = check_stream(self._body()) if self._stream else check_answer(self._body())
        elif self._stream:
            wrong = self._glance_at_stream()
        elif not self._parts:
            wrong = "an empty answer"
        if wrong:
            tally.blame(wrong)

    def _glance_at_stream(self) -> str | None:
        body = self._body()
        if not self._first_token or len(body) < _SHORTEST_STREAM or b"[DONE]" not in body[-40:]:
            return f"a cut stream of {len(body)} bytes: …{body[-200:]!r}"
        return None

    def _body(self) -> bytes:
        return b"".join(self._parts)
