"""An application that is loaded while others are answered."""

import asyncio
import json
import threading
from collections.abc import Callable

import pytest

from gateway.asgi import ASGIApp, Message, Receive, Scope, Send
from gateway.late_app import LateApp
from gateway.turns import Turns

SCOPE: Scope = {"type": "http"}


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def told(app: ASGIApp) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(SCOPE, receive, send)
    return sent


def loading(may_end: threading.Event, loaded_in: list[int]) -> Callable[[], ASGIApp]:
    """What loads an application once it may, and notes in which thread."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "answer", "scope": scope})

    def load() -> ASGIApp:
        loaded_in.append(threading.get_ident())
        assert may_end.wait(10)
        return answer

    return load


async def test_requests_wait_until_it_is_loaded_once_in_a_thread() -> None:
    may_end, loaded_in = threading.Event(), list[int]()
    late = LateApp(loading(may_end, loaded_in), Turns(), None)
    waiting = [asyncio.create_task(told(late)) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert not any(each.done() for each in waiting)
    may_end.set()
    assert await asyncio.gather(*waiting) == [[{"type": "answer", "scope": SCOPE}]] * 3
    assert len(loaded_in) == 1
    assert loaded_in[0] != threading.get_ident()


async def test_a_client_that_leaves_meanwhile_takes_nothing_from_the_others() -> None:
    may_end = threading.Event()
    late = LateApp(loading(may_end, []), Turns(), None)
    leaving, staying = asyncio.create_task(told(late)), asyncio.create_task(told(late))
    await asyncio.sleep(0.05)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    may_end.set()
    assert len(await staying) == 1


async def test_one_that_can_not_be_loaded_is_logged_and_told_once_and_fails_its_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load() -> ASGIApp:
        raise ImportError("no module named nothing")

    failures: list[None] = []
    late = LateApp(load, Turns(), lambda: failures.append(None))
    for _ in range(2):
        start, body = await told(late)
        assert start["status"] == 500
        assert (b"content-type", b"application/json") in start["headers"]
        assert json.loads(body["body"])["error"]["type"] == "server_error"
    with pytest.raises(ImportError, match="nothing"):
        await late.loaded()
    await late.aclose()
    assert len(failures) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "all but completions can't be served" in caplog.text


async def test_a_stop_waits_until_nothing_is_loaded_any_more() -> None:
    may_end = threading.Event()
    late = LateApp(loading(may_end, []), Turns(), None)
    closing = asyncio.create_task(late.aclose())
    await asyncio.sleep(0.05)
    assert not closing.done()
    may_end.set()
    await closing
