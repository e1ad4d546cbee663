"""Whoever waits for a provider is woken when the client leaves, and never after it has stopped waiting."""

import asyncio

import pytest

from gateway.asgi import ClientGone, Http, Message, WatchedClient


class Client:
    """Leaves when it is told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        raise AssertionError(message)

    def http(self) -> Http:
        return Http({"headers": []}, self.receive, self.send, "req_1")


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def watch_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.asgi.WATCH_AFTER_SECONDS", 0.0)


async def test_a_client_that_leaves_ends_the_wait() -> None:
    client = Client()
    asyncio.get_running_loop().call_later(0.01, client.left.set)
    with pytest.raises(ClientGone):
        async with asyncio.timeout(60):
            with WatchedClient(client.http()):
                await asyncio.Event().wait()


@pytest.mark.parametrize("turns_between", range(10))
@pytest.mark.parametrize("error", [None, ValueError])
async def test_a_client_that_leaves_as_the_wait_ends_cancels_nothing_later(
    turns_between: int, error: type[Exception] | None
) -> None:
    """What comes after the wait, such as the record's commit, is never interrupted."""
    client = Client()
    try:
        with WatchedClient(client.http()):
            await asyncio.sleep(0.01)
            client.left.set()
            await turns(turns_between)
            if error is not None:
                raise error
    except (ClientGone, ValueError):
        pass  # either may be told: both are true
    await turns(20)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
