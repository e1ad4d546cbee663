"""The simulated provider: an ASGI application that serves OpenAI's chat completions, whole and streamed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import msgspec

from bandit.types import Json
from gateway.simulated.answers import prompt_tokens, structured, tool_call, words
from gateway.simulated.models import DEFAULT_MODELS, Behaviour, SimulatedModel, behave

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_encode = msgspec.json.encode
CREATED = 1_700_000_000


class SimulatedApp:
    """Serves the given models.

    `requests` counts calls by model, `left` clients that disconnected early; `changed` is notified when either changes.
    """

    def __init__(self, models: Mapping[str, SimulatedModel], seed: str = "simulated") -> None:
        self._models = models
        self._seed = seed
        self.requests: dict[str, int] = dict.fromkeys(models, 0)
        self.left = 0
        self.changed = asyncio.Condition()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if scope["type"] != "http":
            raise RuntimeError(f"simulated models serve HTTP, not {scope['type']}")
        body = await _read(receive)
        path = str(scope["path"])
        if scope["method"] == "GET" and path.endswith("/models"):
            models: list[Json] = [{"id": name, "object": "model", "owned_by": "simulated"} for name in self._models]
            await _respond(send, 200, {"object": "list", "data": models})
        elif scope["method"] != "POST" or not path.endswith("/chat/completions"):
            await _refuse(send, 404, f"there is no {path} here", "not_found")
        else:
            await self._complete(body, receive, send)

    async def _complete(self, body: bytes, receive: Receive, send: Send) -> None:
        try:
            request = msgspec.json.decode(body)
            name = request["model"]
            asked = bool(request["messages"])
        except (msgspec.DecodeError, KeyError, TypeError):
            await _refuse(send, 400, "the body must be an object with `model` and `messages`", "invalid_request")
            return
        model = self._models.get(name)
        if model is None or not asked:
            found = f"there is no model {name!r}" if model is None else "`messages` is empty"
            await _refuse(send, *((404, found, "model_not_found") if model is None else (400, found, "empty")))
            return
        async with self.changed:
            self.requests[name] += 1
            self.changed.notify_all()
        meets = behave(model, name, self.requests[name], self._seed)
        if meets.fails:
            await _refuse(send, 500, "simulated failure", "simulated_failure")
            return
        async with _Client(receive) as client:
            try:
                answer = _Answer(name, self.requests[name], request, meets, len(body))
                await (answer.stream if request.get("stream") else answer.whole)(send, client)
            except _ClientGone:
                async with self.changed:
                    self.left += 1
                    self.changed.notify_all()


class _ClientGone(Exception):
    """The client disconnected before its answer was complete."""


class _Client:
    """Waits, but not longer than the client stays connected."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "_Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._gone is not None:
            self._gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._gone

    async def wait(self, seconds: float) -> None:
        """Let time pass. Raises _ClientGone."""
        if seconds <= 0.0:
            return
        if self._gone is None:
            self._gone = asyncio.create_task(self._leave())
        done, _ = await asyncio.wait({self._gone}, timeout=seconds)
        if done:
            raise _ClientGone

    async def _leave(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _Answer:
    """One answer: its text or tool call, and how long it takes."""

    def __init__(self, name: str, number: int, request: Mapping[str, Any], meets: Behaviour, prompt_bytes: int) -> None:
        self._name = name
        self._id = f"chatcmpl-simulated-{number}"
        self._meets = meets
        self._include_usage = bool((request.get("stream_options") or {}).get("include_usage"))
        limit = request.get("max_completion_tokens") or request.get("max_tokens")
        self._call = tool_call(request)
        value = structured(request)
        self._finish = "stop"
        if self._call is not None:
            self._parts = [_encode(self._call[1]).decode()]
            self._finish = "tool_calls"
        elif value is not None:
            self._parts = [_encode(value).decode()]
        else:
            self._parts = words(name, meets.completion_tokens)
            if isinstance(limit, int) and limit < len(self._parts):
                self._parts, self._finish = self._parts[:limit], "length"
        prompt, completion = prompt_tokens(request, prompt_bytes), len(self._parts)
        self._usage: Json = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    async def whole(self, send: Send, client: _Client) -> None:
        await client.wait(self._meets.first_token_seconds + len(self._parts) * self._meets.seconds_per_token)
        text = "".join(self._parts)
        message: dict[str, Json] = {"role": "assistant", "content": text}
        if self._call is not None:
            message |= {"content": None, "tool_calls": [self._tool_call(self._call[0], text)]}
        choice: Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        await _respond(
            send,
            200,
            {
                "id": self._id,
                "object": "chat.completion",
                "created": CREATED,
                "model": self._name,
                "choices": [choice],
                "usage": self._usage,
            },
        )

    async def stream(self, send: Send, client: _Client) -> None:
        await client.wait(self._meets.first_token_seconds)
        await _start(send, 200, b"text/event-stream")
        await _write(send, self._chunk({"role": "assistant", "content": ""}))
        if self._call is not None:
            await _write(send, self._chunk({"tool_calls": [{"index": 0, **self._tool_call(self._call[0], "")}]}))
        for part in self._parts:
            delta: Json = {"content": part}
            if self._call is not None:
                delta = {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
            await _write(send, self._chunk(delta))
            await client.wait(self._meets.seconds_per_token)
        last = self._chunk({}, self._finish)
        if self._include_usage:
            last += self._event({"choices": [], "usage": self._usage})
        await send({"type": "http.response.body", "body": last + b"data: [DONE]\n\n"})

    def _tool_call(self, name: str, arguments: str) -> dict[str, Json]:
        function: Json = {"name": name, "arguments": arguments}
        return {"id": f"call_{self._id}", "type": "function", "function": function}

    def _chunk(self, delta: Json, finish: str | None = None) -> bytes:
        return self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _event(self, fields: dict[str, Json]) -> bytes:
        head: dict[str, Json] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self._name,
        }
        return b"data: " + _encode(head | fields) + b"\n\n"


def simulated_app(models: Mapping[str, SimulatedModel] = DEFAULT_MODELS, seed: str = "simulated") -> SimulatedApp:
    """The application that serves these models."""
    return SimulatedApp(models, seed)


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _start(send: Send, status: int, kind: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]})


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _respond(send: Send, status: int, value: Json) -> None:
    body = _encode(value)
    await _start(send, status, b"application/json", [(b"content-length", str(len(body)).encode())])
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, status: int, message: str, code: str) -> None:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    await _respond(send, status, {"error": {"message": message, "type": kind, "param": None, "code": code}})
