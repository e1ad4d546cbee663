"""How long a stream may take: until its first sign of life, in each silence, and in all."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bandit.types import Ending
from gateway.providers.http.client import HttpClient
from gateway.providers.openai.adapter import OpenAIProvider
from gateway.providers.upstream import stream_limits
from gateway.providers.upstream.provider import Call, Chunk, ProviderError
from gateway.settings import ProviderSettings
from tests.support.sockets import Script, listening

PAUSE = 0.05


def event(finish: str | None = None, index: int = 0, **said: Any) -> bytes:
    chunk = {"choices": [{"index": index, "delta": said, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


ROLE, THOUGHT, WORD, STOP, DONE = (
    event(role="assistant", content="", reasoning_content=""),
    event(reasoning_content="hm"),
    event(content="a"),
    event("stop"),
    b"data: [DONE]\n\n",
)
PING = b": ping\n\n"


def saying(*parts: bytes | float, then: bytes | None = None) -> Script:
    """Sends the parts, a pause behind each (or as long as a number says), and ends; with `then`, goes on with that."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            await asyncio.sleep(part if isinstance(part, float) else PAUSE)
        while then is not None:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(PAUSE)
        writer.close()

    return say


async def collect(
    script: Script, client: HttpClient, call: Call, *, timeout_seconds: float = 20.0, idle_seconds: float = 20.0
) -> tuple[list[Chunk], ProviderError | None]:
    """The chunks of a stream, and how it broke."""
    chunks: list[Chunk] = []
    async with listening(script) as port:
        settings = ProviderSettings(
            "p", "openai", f"http://127.0.0.1:{port}/v1", timeout_seconds=timeout_seconds, idle_seconds=idle_seconds
        )
        try:
            async for some in OpenAIProvider(settings, client).stream(call):
                chunks += some
        except ProviderError as error:
            return chunks, error
    return chunks, None


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("life", [THOUGHT, WORD], ids=["thinking", "speaking"])
async def test_a_stream_that_flows_is_not_cut_at_the_deadline(
    life: bytes, client: HttpClient, call: Callable[..., Call]
) -> None:
    script = saying(ROLE, *[life] * 25, WORD, STOP, DONE)
    chunks, error = await collect(script, client, call("m", seconds=0.8), timeout_seconds=0.8)
    assert error is None
    assert text(chunks).endswith("a")


@pytest.mark.parametrize("before", [b"", PING, ROLE], ids=["nothing", "pings", "roles"])
async def test_without_a_sign_of_life_it_ends_at_the_deadline(
    before: bytes, client: HttpClient, call: Callable[..., Call]
) -> None:
    chunks, error = await collect(saying(ROLE, then=before), client, call("m", seconds=0.2), idle_seconds=0.1)
    assert error is not None
    assert error.ending is Ending.TIMEOUT
    assert not any(chunk.lives for chunk in chunks)


@pytest.mark.parametrize("life", [THOUGHT, WORD], ids=["thinking", "speaking"])
async def test_a_silence_without_a_byte_cuts_it_after_the_idle_time(
    life: bytes, client: HttpClient, call: Callable[..., Call]
) -> None:
    chunks, error = await collect(saying(life, 20.0, STOP, DONE), client, call("m"), idle_seconds=0.1)
    assert error is not None
    assert (error.ending, error.message) == (Ending.CUT, "the provider fell silent in the middle of its answer")
    assert any(chunk.lives for chunk in chunks)


@pytest.mark.parametrize(("seconds", "timeout_seconds"), [(0.2, 20.0), (20.0, 0.2)], ids=["request", "provider"])
async def test_pings_alone_do_not_keep_it_alive(
    seconds: float, timeout_seconds: float, client: HttpClient, call: Callable[..., Call]
) -> None:
    script = saying(WORD, then=PING)
    chunks, error = await collect(script, client, call("m", seconds=seconds), timeout_seconds=timeout_seconds)
    assert error is not None
    assert error.ending is Ending.CUT
    assert text(chunks) == "a"


async def test_pings_between_signs_of_life_do(client: HttpClient, call: Callable[..., Call]) -> None:
    script = saying(*[WORD, PING, PING, THOUGHT] * 6, STOP, DONE)
    chunks, error = await collect(script, client, call("m", seconds=0.8), idle_seconds=0.8)
    assert error is None
    assert text(chunks) == "aaaaaa"


async def test_a_client_that_takes_its_time_is_no_silence(client: HttpClient, call: Callable[..., Call]) -> None:
    async with listening(saying(WORD, WORD, STOP, DONE)) as port:
        settings = ProviderSettings("p", "openai", f"http://127.0.0.1:{port}/v1", idle_seconds=0.5)
        chunks: list[Chunk] = []
        async for some in OpenAIProvider(settings, client).stream(call("m", seconds=0.5)):
            chunks += some
            await asyncio.sleep(0.6)
    assert text(chunks) == "aa"


async def test_one_that_never_ends_is_cut_at_its_limit(
    client: HttpClient, call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_limits, "MAX_STREAM_BYTES", 50 * len(WORD))
    chunks, error = await collect(saying(then=WORD * 10), client, call("m"))
    assert error is not None
    assert error.ending is Ending.CUT
    assert 50 <= len(text(chunks)) <= 60


class TestSeveralChoices:
    FIRST, SECOND = (WORD, STOP), (event(content="b", index=1), event("stop", index=1))

    @pytest.fixture(autouse=True)
    def short_linger(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream_limits, "LINGER_SECONDS", 0.05)

    async def test_one_that_begins_late_is_waited_for(self, client: HttpClient, call: Callable[..., Call]) -> None:
        script = saying(*self.FIRST, 0.3, *self.SECOND, DONE)
        chunks, error = await collect(script, client, call("m", fields={"n": b"2"}))
        assert error is None
        assert sum(chunk.text_bytes for chunk in chunks) == len("ab")

    async def test_one_that_never_comes_is_missed_in_silence(
        self, client: HttpClient, call: Callable[..., Call]
    ) -> None:
        for script in (saying(*self.FIRST), saying(*self.FIRST, DONE), saying(*self.FIRST, 20.0)):
            chunks, error = await collect(script, client, call("m", fields={"n": b"2"}), idle_seconds=0.2)
            assert error is None
            assert text(chunks) == "a"

    async def test_a_finished_answer_lingers_for_its_usage_alone(
        self, client: HttpClient, call: Callable[..., Call]
    ) -> None:
        chunks, error = await collect(saying(*self.FIRST, then=PING), client, call("m"))
        assert error is None
        assert text(chunks) == "a"
