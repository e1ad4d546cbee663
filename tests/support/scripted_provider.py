"""A provider as an ASGI application that does what the name of its model says, and keeps what it was sent."""

import asyncio
import json
import threading
from typing import Any

from tests.support.asgi import read_body
from tests.support.threads import App


class Received:
    """Requests that the provider got, by model, and whether clients left."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {}
        self.headers: list[dict[str, str]] = []
        self.left = threading.Event()
        self.thought = threading.Event()  # set by a test: `thinks` may stop thinking


def completion(model: str, content: str = "Hello!") -> dict[str, Any]:
    return {
        "id": "chatcmpl-theirs",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
        "system_fingerprint": "fp_1",
    }


def chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    event = {
        "id": "chatcmpl-theirs",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def scripted(received: Received) -> App:
    """`good*` answers; `status-N` fails with N; `cut` breaks its stream; `mute` never answers; `thinks` does so until
    it is told to speak, and `thinks-cut` breaks its stream instead.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body = await read_body(receive)
        request = json.loads(body)
        model = request["model"]
        received.bodies.setdefault(model, []).append(body)
        received.headers.append({key.decode(): value.decode() for key, value in scope["headers"]})

        async def start(status: int, kind: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
            content_type = (b"content-type", kind.encode())
            await send({"type": "http.response.start", "status": status, "headers": [content_type, *headers]})

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            received.left.set()

        if model.startswith("status-"):
            status = int(model.split("-")[1])
            retry = ((b"retry-after", b"7"),) if status == 429 else ()
            await start(status, "application/json", retry)
            error = {"message": f"scripted {status}", "type": "x", "param": "seed", "code": f"code_{status}"}
            await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})
        elif model == "mute":
            await gone()
        elif not request.get("stream"):
            await start(200, "application/json")
            content = request.get("metadata", {}).get("say", "Hello!") if model != "slow" else "Hello!"
            await send({"type": "http.response.body", "body": json.dumps(completion(model, content)).encode()})
        else:
            await start(200, "text/event-stream")
            parts = [chunk(model, {"role": "assistant", "content": ""})]
            parts += [chunk(model, {"content": word}) for word in ("Hel", "lo", "!")]
            if model == "cut":
                parts = parts[:2]
            elif model == "empty":
                parts = parts[:1]
            else:
                parts.append(chunk(model, {}, "stop"))
                usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
                last = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": []}
                if request.get("stream_options", {}).get("include_usage"):
                    parts.append(b"data: " + json.dumps(last | {"usage": usage}).encode() + b"\n\n")
                parts.append(b"data: [DONE]\n\n")
            if model.startswith("thinks"):
                thoughts = chunk(model, {"role": "assistant", "content": None, "reasoning_content": "hm"})
                await send({"type": "http.response.body", "body": thoughts, "more_body": True})
                if model == "thinks-cut":
                    await send({"type": "http.response.body", "body": b""})
                    return
                await asyncio.to_thread(received.thought.wait, 10)
            if model == "endless":
                await send({"type": "http.response.body", "body": b"".join(parts[:2]), "more_body": True})
                await gone()
                return
            for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return app
