"""A provider that answers at once: OpenAI's wire format on an `asyncio.Protocol`, so that it is never the bottleneck.

`python -m benchmarks.overhead.provider [--port N]` prints the port it listens on, and serves until it is terminated.
The prompt of a request sets its stream's pace (`benchmarks.overhead.script`).
"""

import argparse
import asyncio
from collections import deque
from typing import cast

import httptools
import uvloop

from benchmarks.overhead.script import answer_body, pace_seconds, stream_events, wants_stream, wants_usage

_ANSWER = answer_body()
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_ANSWER), _ANSWER)
_MODELS = b'{"object":"list","data":[{"id":"bench","object":"model"}]}'
_LIST = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_MODELS), _MODELS)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _framed(events: list[bytes]) -> list[bytes]:
    """The frames to write: role and first word together, so that the first token does not wait for the pace."""
    frames = [b"%x\r\n%s\r\n" % (len(event), event) for event in events]
    return [frames[0] + frames[1], *frames[2:-1], frames[-1] + b"0\r\n\r\n"]


_FRAMES = _framed(stream_events(usage=False))
_FRAMES_WITH_USAGE = _framed(stream_events(usage=True))


class ProviderProtocol(asyncio.Protocol):
    """One connection, one request at a time: clients of providers don't pipeline."""

    def __init__(self, connections: "set[ProviderProtocol]") -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._frames: deque[bytes] = deque()
        self._pace = 0.0
        self._due = 0.0
        self._paused = False
        self._stalled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.discard(self)
        self._frames.clear()

    def data_received(self, data: bytes) -> None:
        """Parse bytes of requests."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._body = b""

    def on_body(self, body: bytes) -> None:
        """Keep a part of a request's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer a whole request."""
        if self._parser.get_method() != b"POST":
            self._transport.write(_LIST)
        elif wants_stream(self._body):
            frames = _FRAMES_WITH_USAGE if wants_usage(self._body) else _FRAMES
            self._pace = pace_seconds(self._body)
            if not self._pace:  # all at once, so that it takes whoever reads it as many steps each time
                self._transport.write(b"".join((_STREAM_HEAD, *frames)))
                return
            self._frames.extend(frames)
            self._transport.write(_STREAM_HEAD)
            self._due = self._loop.time()
            self._send_next()
        else:
            self._transport.write(_PLAIN)

    def pause_writing(self) -> None:
        """Pause the stream: the reader is slower."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on with the stream."""
        self._paused = False
        if self._stalled:
            self._stalled = False
            self._send_next()

    def _send_next(self) -> None:
        """Send one chunk, and schedule the next at its time."""
        if not self._frames:
            return
        if self._paused:
            self._stalled = True
            return
        self._transport.write(self._frames.popleft())
        self._due += self._pace
        self._loop.call_at(self._due, self._send_next)


async def serve(port: int) -> None:
    """Listen on loopback, print the port, and answer until cancelled."""
    connections: set[ProviderProtocol] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ProviderProtocol(connections), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (default) takes a free one")
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
