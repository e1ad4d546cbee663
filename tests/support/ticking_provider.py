"""A provider whose streams say a word every few milliseconds until they are told to end."""

import asyncio
import json
import threading
from typing import Any

from tests.support.asgi import read_body

WORD_SECONDS = 0.02


class TickingProvider:
    """An ASGI application. Its `streams` go on until `enough` is set; other answers are whole at once."""

    def __init__(self) -> None:
        self.enough = threading.Event()
        self.streams = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a completion request."""
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        if not json.loads(body).get("stream"):
            whole: dict[str, object] = {"message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}
            await _start(send, b"application/json")
            await _piece(send, json.dumps(_fields("chat.completion", whole)).encode(), more=False)
            return
        self.streams += 1
        await _start(send, b"text/event-stream")
        while not self.enough.is_set():
            await _piece(send, _event({"delta": {"content": "tick "}, "finish_reason": None}))
            await asyncio.sleep(WORD_SECONDS)
        last = _event({"delta": {"content": "end"}, "finish_reason": "stop"})
        await _piece(send, last + b"data: [DONE]\n\n", more=False)
        self.streams -= 1


def _fields(kind: str, choice: dict[str, object]) -> dict[str, object]:
    usage = {"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13}
    return {"id": "x", "object": kind, "created": 1, "model": "m", "choices": [{"index": 0, **choice}], "usage": usage}


def _event(choice: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(_fields("chat.completion.chunk", choice)).encode() + b"\n\n"


async def _start(send: Any, kind: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})


async def _piece(send: Any, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})
