"""HTTP of a Responses request: the flow that serves it reads and writes a chat completion."""

from collections.abc import Iterable

import msgspec

from gateway.asgi import Http
from gateway.responses.answers import read_completion, response
from gateway.responses.events import EventWriter
from gateway.responses.requests import Asked, read_request
from gateway.responses.tool_names import restore_names

_DATA = b"data: "
_DONE = b"[DONE]"


class _Failed(msgspec.Struct):
    error: dict[str, object] | None = None


_FAILED = msgspec.json.Decoder(_Failed)


class ResponsesHttp(Http):
    """Translates the request's body when it is read, and everything that is sent. Errors have OpenAI's shape."""

    __slots__ = ("_asked", "_events")

    _asked: Asked
    _events: EventWriter

    def chat_body(self, body: bytes) -> bytes:
        """The body as a chat completion's. Raises BadRequest."""
        self._asked = read_request(body)
        return self._asked.chat

    async def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a response object, or an error unchanged."""
        if status == 200:
            completion = read_completion(body)
            restore_names(completion, self._asked.names)
            body = response(completion, self._asked.echo)
        await super().respond(status, headers, body)

    async def start_stream(self, headers: Iterable[tuple[bytes, bytes]], first: bytes) -> None:
        """Send the response's first events."""
        self._events = EventWriter(self._asked.echo, self._asked.names)
        await super().start_stream(headers, self._translated(first))

    async def write(self, data: bytes) -> None:
        """Send the events of more chunks."""
        if translated := self._translated(data):
            await super().write(translated)

    async def end(self, data: bytes) -> None:
        """Send the last events: the complete response, or its failure."""
        await super().end(self._translated(data))

    def _translated(self, data: bytes) -> bytes:
        """The events of whole chunks: the flow never divides one."""
        written: list[bytes] = []
        for event in data.split(b"\n\n"):
            payload = event.removeprefix(_DATA)
            if not event.startswith(_DATA):
                continue
            if payload == _DONE:
                written.append(self._events.end())
            elif payload.startswith(b'{"error"') and (error := _FAILED.decode(payload).error) is not None:
                written.append(self._events.fail(error))
            else:
                written.append(self._events.chunk(payload))
        return b"".join(written)
