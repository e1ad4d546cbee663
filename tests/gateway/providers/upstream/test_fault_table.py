"""Each fault of docs/faults.md, whole and streamed, against a real server: how the attempt ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bandit.types import Ending
from gateway.providers.http.client import HttpClient
from gateway.providers.openai.adapter import OpenAIProvider
from gateway.providers.upstream import stream_limits
from gateway.providers.upstream.provider import Answer, Call, Chunk, ProviderError
from gateway.settings import ProviderSettings
from tests.support.fault_table import CELLS, TABLE
from tests.support.faulty_provider.exchange import FaultyProvider
from tests.support.faulty_provider.faults import FAULTS, HUGE_BYTES
from tests.support.faulty_provider.samples import TEXT
from tests.support.sockets import refusing_port

PLAYED = [(name, stream) for name, stream in CELLS if TABLE[name].place in {"quick", "patient"}]
QUICK = {"timeout_seconds": 1.0, "idle_seconds": 0.5}
PATIENT = {"timeout_seconds": 3_600.0, "idle_seconds": 3_600.0}


def provider(client: HttpClient, base_url: str, *, timeout_seconds: float, idle_seconds: float) -> OpenAIProvider:
    keys = ("sk-secret-0123456789",)
    return OpenAIProvider(ProviderSettings("faulty", "openai", base_url, keys, timeout_seconds, idle_seconds), client)


async def collect(adapter: OpenAIProvider, call: Call) -> list[Chunk]:
    return [chunk async for chunks in adapter.stream(call) for chunk in chunks]


async def ending_of(attempt: Any) -> tuple[Ending, ProviderError | None]:
    try:
        await attempt
    except ProviderError as error:
        return error.ending, error
    return Ending.COMPLETE, None


def test_every_fault_is_in_the_table() -> None:
    of_other_tests = {"ok", "tires", "429-key"} | {fault for fault in FAULTS if fault.endswith("-echo")}
    assert FAULTS.keys() - of_other_tests <= TABLE.keys()


@pytest.mark.parametrize(("fault", "stream"), PLAYED)
async def test_a_fault_ends_the_attempt_as_the_table_says(
    fault: str,
    stream: bool,
    client: HttpClient,
    faulty: FaultyProvider,
    call: Callable[..., Call],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault == "endless":
        monkeypatch.setattr(stream_limits, "MAX_STREAM_BYTES", 2**20)
    adapter = provider(client, faulty.base_url, **(QUICK if TABLE[fault].place == "quick" else PATIENT))
    made = call(fault, fields={"seed": b"7"})
    ending, error = await ending_of(collect(adapter, made) if stream else adapter.complete(made))
    assert ending is TABLE[fault].ending(stream=stream), error and error.message
    if error is not None:
        assert 0 < len(error.message) <= 500
        assert "sk-secret" not in error.message
    if fault == "reset":
        assert faulty.requests[fault] == 1  # on a new connection nothing is repeated
    if fault == "429-retry-after":
        assert error is not None
        assert error.retry_after_seconds == 7.0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_refused_connection_fails_without_a_retry(
    stream: bool, client: HttpClient, call: Callable[..., Call]
) -> None:
    with refusing_port() as port:
        adapter = provider(client, f"http://127.0.0.1:{port}/v1", **QUICK)
        ending, error = await ending_of(collect(adapter, call("m")) if stream else adapter.complete(call("m")))
    assert ending is Ending.FAILED
    assert error is not None
    assert "no connection" in error.message


@pytest.mark.parametrize("fault", ["ok", "gzip", "deflate", "double-done", "no-done", "cut-with-done", "stale"])
async def test_what_completes_has_its_whole_text(
    fault: str, client: HttpClient, faulty: FaultyProvider, call: Callable[..., Call]
) -> None:
    adapter = provider(client, faulty.base_url, **PATIENT)
    chunks = await collect(adapter, call(fault))
    assert "".join(chunk.text for chunk in chunks) == TEXT
    if fault != "cut-with-done":
        answer = await adapter.complete(call(fault))
        assert answer.text == TEXT
        assert answer.usage is not None
        assert [chunk.usage for chunk in chunks if chunk.usage] == [answer.usage]


async def test_fifty_megabytes_are_an_answer_and_more_than_the_limit_are_not(
    client: HttpClient, faulty: FaultyProvider, call: Callable[..., Call]
) -> None:
    adapter = provider(client, faulty.base_url, **PATIENT)
    answer: Answer = await adapter.complete(call("huge"))
    assert answer.text_bytes == HUGE_BYTES


async def test_invalid_utf8_is_replaced_as_the_standard_says(
    client: HttpClient, faulty: FaultyProvider, call: Callable[..., Call]
) -> None:
    adapter = provider(client, faulty.base_url, **QUICK)
    answer = await adapter.complete(call("bad-utf8"))
    chunks = await collect(adapter, call("bad-utf8"))
    for raw in (answer.fields["choices"], *(chunk.fields["choices"] for chunk in chunks)):
        bytes(raw).decode()
    assert "�" in (answer.text or "")


@pytest.mark.parametrize("fault", ["hang", "mute", "stall"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_cancelled_call_closes_the_connection(
    fault: str, stream: bool, client: HttpClient, faulty: FaultyProvider, call: Callable[..., Call]
) -> None:
    adapter = provider(client, faulty.base_url, **PATIENT)
    attempt = asyncio.ensure_future(collect(adapter, call(fault)) if stream else adapter.complete(call(fault)))
    async with asyncio.timeout(60), faulty.changed:
        await faulty.changed.wait_for(lambda: fault in faulty.requests)
    attempt.cancel()
    async with asyncio.timeout(60), faulty.changed:
        await faulty.changed.wait_for(lambda: fault in faulty.gone)
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_closing_a_stream_closes_its_connection(
    client: HttpClient, faulty: FaultyProvider, call: Callable[..., Call]
) -> None:
    adapter = provider(client, faulty.base_url, **PATIENT)
    lists = adapter.stream(call("stall"))
    while not any(chunk.says for chunk in await anext(lists)):
        pass
    await lists.aclose()
    async with asyncio.timeout(60), faulty.changed:
        await faulty.changed.wait_for(lambda: "stall" in faulty.gone)


async def test_connections_serve_again_after_answers_and_streams(
    client: HttpClient, faulty: FaultyProvider, call: Callable[..., Call]
) -> None:
    adapter = provider(client, faulty.base_url, **QUICK)
    for _ in range(5):
        await adapter.complete(call("ok"))
        await collect(adapter, call("ok"))
    assert faulty.connections == 1
