"""A provider whose models answer as a test wants: `judge` grades, any other says its own name."""

import asyncio
import json
import threading
from typing import Any

from tests.support.asgi import read_body
from tests.support.scripted_provider import chunk, completion
from tests.support.threads import App

GRADE = '{"score": 0.25, "ground": "too short"}'
FIRST_BONUS = 0.125
"""What judges add to the score of the answer that they are shown first."""


class Bench:
    """What the judges were asked, and what they reply. `hangs`: they reply nothing until it is cleared.

    Of two answers they say `comparison`, if it is set, else the scores of `liked`, .25 unless it has the answer.
    `plain` is what becomes of plain calls of models that are no judges, if anything: "fails" or "hangs". `heard` is
    what these were asked.
    """

    def __init__(self) -> None:
        self.reply = GRADE
        self.comparison: str | None = None
        self.liked: dict[str, float] = {}
        self.plain = ""
        self.hangs = False
        self.asked: list[dict[str, Any]] = []
        self.heard: list[dict[str, Any]] = []
        self.left = threading.Event()  # a call was broken off

    def answer(self, request: dict[str, Any]) -> str:
        """What a judge replies."""
        shown = shown_in(request)
        if "first" not in shown:
            return self.reply
        if self.comparison is not None:
            return self.comparison
        first, second = (self.liked.get(shown[name], 0.25) for name in ("first", "second"))
        return json.dumps({"first": first + FIRST_BONUS, "second": second, "ground": "by taste"})

    def graded(self) -> list[dict[str, Any]]:
        """The data that judges were asked to grade, in order."""
        return [shown_in(body) for body in self.asked]


def shown_in(request: dict[str, Any]) -> dict[str, Any]:
    """The data in a judge's prompt, before images if there are some."""
    content = request["messages"][-1]["content"]
    shown: dict[str, Any] = json.loads(content if isinstance(content, str) else content[0]["text"])
    return shown


def bench(state: Bench) -> App:
    """Models whose name begins with `judge` reply with `state.reply`; others answer, as a stream if that is asked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        request = json.loads(await read_body(receive))
        model, content = request["model"], f"I am {request['model']}"
        judges = model.startswith("judge") and len(request["messages"]) == 2
        if judges:
            state.asked.append(request)
            content = state.answer(request)
        else:
            state.heard.append(request)
        stream = bool(request.get("stream"))
        plain = "" if judges or stream else state.plain
        if (judges and state.hangs) or plain == "hangs":
            leaving = asyncio.ensure_future(receive())
            while (state.hangs or state.plain == "hangs") and not leaving.done():  # noqa: ASYNC110 - a test clears it
                await asyncio.sleep(0.01)
            if leaving.done():
                state.left.set()
                return
            leaving.cancel()
        if plain == "fails":
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        kind = b"text/event-stream" if stream else b"application/json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        if not stream:
            answer = completion(model, content)
            if request.get("max_tokens") == 1:
                answer["choices"][0]["finish_reason"] = "length"
            await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
            return
        for part in (chunk(model, {"content": content}), chunk(model, {}, "stop"), b"data: [DONE]\n\n"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app
