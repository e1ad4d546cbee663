"""Sends one test request through the gateway's own flow, with the key of the session."""

import asyncio

import msgspec

from gateway.asgi import Http, Message
from gateway.dashboard.views.overview import Tried
from gateway.flow import Flow
from storage.records import KeyRecord

SECONDS = 60.0
PROMPT = "Say hello, and name one thing that you are good at."


class _Exchange(Http):
    """A request from this process, and its answer in memory."""

    def __init__(self, body: bytes, authorization: bytes, request_id: str) -> None:
        length = str(len(body)).encode()
        headers = [(b"authorization", authorization), (b"content-type", b"application/json")]
        super().__init__({"headers": [*headers, (b"content-length", length)]}, self._give, self._take, request_id)
        self._body: bytes | None = body
        self.answer = b""

    async def _give(self) -> Message:
        if self._body is None:
            await asyncio.Event().wait()  # a client that does not leave
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _take(self, message: Message) -> None:
        self.answer += message.get("body", b"")


async def send_test_request(flow: Flow, key: KeyRecord, router_id: str, request_id: str) -> Tried:
    """Ask the router for a short answer. It is recorded, paid for and learned from as every other one."""
    body = msgspec.json.encode(
        {"model": "dari/routing", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 200}
    )
    with flow.keyring.lent(key) as authorization:
        exchange = _Exchange(body, authorization, request_id)
        try:
            async with asyncio.timeout(SECONDS):
                await flow.complete(exchange, router_id)
        except TimeoutError:
            return Tried("", "", "", f"no answer within {SECONDS:g} s")
    answer = msgspec.json.decode(exchange.answer) if exchange.answer else {}
    if "error" in answer:
        return Tried("", "", "", str(answer["error"].get("message", "")))
    choices = answer.get("choices") or [{}]
    text = (choices[0].get("message") or {}).get("content") or ""
    return Tried(str(answer.get("id", "")), str(answer.get("model", "")), str(text)[:500], "")
