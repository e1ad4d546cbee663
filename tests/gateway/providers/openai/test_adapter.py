"""Requests in OpenAI's format: the caller's bytes, our model name; keys; and answers with all the usual quirks."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.price import Tokens
from bandit.types import Ending
from gateway.providers.http.client import HttpClient
from gateway.providers.openai.adapter import OpenAIProvider
from gateway.providers.openai.responses import ChunkReader, read_answer
from gateway.providers.upstream.key_rotation import REFUSED_SECONDS, KeyRing
from gateway.providers.upstream.provider import Call, Chunk, ProviderError, Usage, Verdict
from gateway.settings import ProviderSettings
from tests.support.sockets import Raw, listening

ANSWER: dict[str, Any] = {
    "id": "x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


def http(value: Any, status: int = 200, more: str = "") -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    kind = "text/event-stream" if isinstance(value, bytes) else "application/json"
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def settings(port: int, *keys: str, **changes: Any) -> ProviderSettings:
    given: dict[str, Any] = {"base_url": f"http://127.0.0.1:{port}/v1"} | changes
    return ProviderSettings("p", "openai", api_keys=keys, **given)


async def collect(adapter: OpenAIProvider, call: Call) -> list[Chunk]:
    return [chunk async for chunks in adapter.stream(call) for chunk in chunks]


async def test_the_callers_bytes_go_out_as_they_are(client: HttpClient, call: Callable[..., Call]) -> None:
    raw = Raw(http(ANSWER))
    fields = {"temperature": b"1.0", "seed": b"123456789012345678901234567890", "x": b'{"a" :[1.50,"\\u00e9\xc3\xa9"]}'}
    async with listening(raw.serve) as port:
        await OpenAIProvider(settings(port, "k1"), client).complete(call("m/1", fields=fields))
    head, _, body = raw.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer k1\r\n" in head
    assert body == (
        b'{"model":"m/1","messages":[{"role":"user","content":"Hi"}],"temperature":1.0,'
        b'"seed":123456789012345678901234567890,"x":{"a" :[1.50,"\\u00e9\xc3\xa9"]}}'
    )


async def test_a_stream_asks_for_usage_and_keeps_the_callers_other_options(
    client: HttpClient, call: Callable[..., Call]
) -> None:
    done = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    raw = Raw(http(done), http(done), http(done))
    async with listening(raw.serve) as port:
        adapter = OpenAIProvider(settings(port), client)
        await collect(adapter, call("m"))
        options = b'{"include_usage":false,"include_obfuscation":false}'
        await collect(adapter, call("m", fields={"stream": b"true", "stream_options": options}))
        dropping = OpenAIProvider(settings(port, drop=frozenset({"stream_options", "seed"})), client)
        await collect(dropping, call("m", fields={"seed": b"1"}))
    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in raw.requests]
    assert [body["stream"] for body in sent] == [True, True, True]
    assert sent[0]["stream_options"] == {"include_usage": True}
    assert sent[1]["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert sent[2].keys() == {"model", "messages", "stream"}
    assert b"Authorization" not in raw.requests[0]


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21"),
        ("/openai", "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21"),
        ("/openai/v1", "/openai/v1/chat/completions?api-version=2024-10-21"),
    ],
)
async def test_azure_has_deployments_a_version_and_its_own_key_header(
    base: str, path: str, client: HttpClient, call: Callable[..., Call]
) -> None:
    raw = Raw(http(ANSWER))
    async with listening(raw.serve) as port:
        azure = settings(port, "k", base_url=f"http://127.0.0.1:{port}{base}", api_version="2024-10-21")
        await OpenAIProvider(azure, client).complete(call("my/gpt"))
    assert raw.requests[0].startswith(f"POST {path} HTTP/1.1\r\n".encode())
    assert b"\r\napi-key: k\r\n" in raw.requests[0]
    assert b"Authorization" not in raw.requests[0]


async def test_a_rate_limited_key_gives_way_to_the_next_and_rests(
    client: HttpClient, call: Callable[..., Call]
) -> None:
    limited = http({"error": {"message": "slow"}}, 429, "Retry-After: 60\r\n")
    raw = Raw(http(ANSWER), limited, http(ANSWER), http(ANSWER), limited)
    async with listening(raw.serve) as port:
        adapter = OpenAIProvider(settings(port, "key-one", "key-two"), client)
        for _ in range(3):
            assert (await adapter.complete(call("m"))).text == "Hello"
        with pytest.raises(ProviderError) as told:
            await adapter.complete(call("m"))
    assert told.value.ending is Ending.RATE_LIMITED
    assert 0 < (told.value.retry_after_seconds or 0) <= 60
    used = [request.partition(b"Bearer ")[2][:7].decode() for request in raw.requests]
    assert used[1] != used[0]
    assert used[2:] == [used[0]] * 3


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://a:99999/v1", "http://a..b/v1", "http://a\x01b/v1"])
async def test_a_url_that_can_not_be_called_is_a_failure_of_its_model(
    url: str, client: HttpClient, call: Callable[..., Call]
) -> None:
    with pytest.raises(ProviderError) as told:
        await OpenAIProvider(settings(1, base_url=url), client).complete(call("m"))
    assert told.value.ending is Ending.FAILED


def refused(*, about_key: bool) -> ProviderError:
    return ProviderError(Verdict.PARKED, "no", status=400, about_key=about_key)


def test_a_refused_key_rests_and_a_wrong_model_name_is_no_keys_fault() -> None:
    ring = KeyRing(["a", "b"])
    assert not ring.another("a", "m", refused(about_key=False), 0.0)
    assert ring.another("a", "m", refused(about_key=True), 0.0)
    assert {ring.pick("m", 1.0) for _ in range(4)} == {"b"}
    assert {ring.pick("m", REFUSED_SECONDS) for _ in range(4)} == {"a", "b"}


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 50)), max_size=20), st.integers(1, 3))
def test_a_key_is_always_picked_and_a_free_one_where_there_is_one(events: list[tuple[int, float]], count: int) -> None:
    ring, now = KeyRing([f"key{number}" for number in range(count)]), 0.0
    limited_until = dict.fromkeys(ring.secrets, 0.0)
    for number, seconds in events:
        now += 1.0
        key = f"key{number % count}"
        ring.another(key, "m", ProviderError(Verdict.RATE_LIMITED, "", status=429, retry_after_seconds=seconds), now)
        limited_until[key] = now + seconds
        picked = ring.pick("m", now)
        if count > 1 and any(until <= now for until in limited_until.values()):
            assert limited_until[picked] <= now
        assert picked in ring.secrets


def read(*events: dict[str, Any] | bytes) -> tuple[ChunkReader, list[Chunk]]:
    reader = ChunkReader()
    raw = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return reader, [chunk for event in raw if (chunk := reader.read(event))]


def delta(finish: str | None = None, index: int = 0, **said: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": said, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (delta(role="assistant"), False),
        (delta(role="assistant", content=""), False),
        (delta(role="assistant", content=None), False),
        (delta(role="assistant", content="a"), True),
        (delta(role="assistant", content=None, reasoning_content=""), False),
        (delta(content="", reasoning=None, reasoning_details=[]), False),
        (delta(content="", thoughts=[], thinking_content="", thought=False, reasoning_of_next_year={}), False),
        (delta(content="a", reasoning_content="hm"), True),
        (delta(refusal="no"), True),
        (delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]), True),
        (delta("stop"), False),
        (delta("length"), True),
        (delta("content_filter"), True),
        (delta(images=[{"type": "image_url"}]), True),
        ({"choices": []}, False),
        ({"choices": [], "prompt_filter_results": []}, False),
        ({"choices": None, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}, False),
        ({"choices": [{"index": 0, "delta": {}}]}, False),
        ({"choices": [{"delta": {"content": "a"}}]}, True),
        ({"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "a"}]}}]}, True),
    ],
)
def test_what_says_something(event: dict[str, Any], says: bool) -> None:
    reader, chunks = read(event)
    assert chunks[0].says is says
    assert chunks[0].lives is says
    assert reader.alive is says


NEXT_YEAR = "reasoning_of_next_year"
DETAIL = {"type": "reasoning.encrypted", "data": "gAAAA"}


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm", "content": ""},
        {"reasoning_text": "hm"},
        {"thoughts": ["hm"]},
        {"thinking_content": "hm", "content": None},
        {NEXT_YEAR: {"text": "hm"}},
        {"thinking": "hm"},
        {"reasoning_details": [DETAIL]},
        {"reasoning": None, "reasoning_details": [DETAIL]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
    ids=repr,
)
def test_thinking_is_a_sign_of_life_and_no_answer(said: dict[str, Any]) -> None:
    reader, chunks = read(delta(role="assistant", **said))
    assert (chunks[0].lives, chunks[0].says) == (True, False)
    assert reader.alive
    assert chunks[0].text_bytes > 0 or not said.keys().isdisjoint({"thoughts", "thinking_content", NEXT_YEAR})
    assert chunks[0].text == ""


def test_a_finish_says_something_after_what_was_said_or_thought() -> None:
    for before in (delta(content="a"), delta(reasoning_content="hm"), delta(reasoning_details=[{"text": "hm"}])):
        reader, chunks = read(before, delta("stop"))
        assert chunks[-1].says
        assert reader.alive


def test_thoughts_that_come_in_two_fields_are_counted_once() -> None:
    _, chunks = read(delta(reasoning="thinking", reasoning_details=[{"type": "reasoning.text", "text": "thinking"}]))
    assert chunks[0].text_bytes == len("thinking")


def test_usage_may_come_with_the_last_content_or_never() -> None:
    _, chunks = read(delta("stop", content="a") | {"usage": ANSWER["usage"]}, b"[DONE]")
    assert chunks[0].usage == Usage(Tokens(7, 3))
    reader, chunks = read(delta(content="a"), delta("stop"), b" [DONE] ")
    assert reader.ended
    assert all(chunk.usage is None for chunk in chunks)


def test_every_choice_has_to_finish() -> None:
    reader, _ = read(delta(content="a"), delta(content="b", index=1), delta("stop"))
    assert not reader.finished
    reader.read(json.dumps(delta("length", index=1)).encode())
    assert (reader.finished, reader.complete) == (True, True)


def test_a_choice_that_was_asked_for_may_begin_when_the_others_have_finished() -> None:
    reader = ChunkReader(choices=2)
    for event in (delta(content="a"), delta("stop")):
        reader.read(json.dumps(event).encode())
    assert (reader.finished, reader.complete) == (True, False)
    for event in (delta(content="b", index=1), delta("stop", index=1)):
        reader.read(json.dumps(event).encode())
    assert (reader.finished, reader.complete) == (True, True)


@pytest.mark.parametrize(
    "event", [b"{", b"[]", b"null", b'"x"', b'{"choices": 3}', b'{"choices":[{"delta":{"content":3}}]}']
)
def test_an_event_that_is_no_chunk_is_malformed(event: bytes) -> None:
    with pytest.raises(ProviderError, match="malformed"):
        ChunkReader().read(event)


def test_an_error_in_a_stream_means_what_its_code_says() -> None:
    with pytest.raises(ProviderError) as told:
        ChunkReader().read(b'{"error":{"code":429,"message":"slow down"},"choices":[]}')
    assert told.value.ending is Ending.RATE_LIMITED


def test_nan_is_read_as_null_and_only_outside_of_text() -> None:
    body = json.dumps(ANSWER | {"x": [float("nan"), -float("inf"), "NaN"], "usage": {"prompt_tokens": float("nan")}})
    body = body.replace('"content": "Hello"', '"content": "\\"NaN\\" Infinity"')
    answer = read_answer(body.encode())
    assert answer.text == '"NaN" Infinity'
    assert answer.fields["x"] == msgspec.Raw(b'[null, null, "NaN"]')
    assert answer.usage == Usage(None, doubt="prompt_tokens is null")
    _, chunks = read(delta(content="NaN") | {"usage": {"cost": float("nan")}})
    assert chunks[0].text == "NaN"


def test_an_answer_keeps_every_field_and_its_bytes() -> None:
    body = b'{"id":"x","choices":[{"index":0,"message":{"refusal":"no","content":null},"finish_reason":null}],"a":1.0}'
    answer = read_answer(body)
    assert answer.fields["a"] == msgspec.Raw(b"1.0")
    assert answer.finish_reason is None
    assert answer.text is None
    assert answer.usage is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"choices":[]}', b'{"choices":null}', b'{"choices":[{"index":0}]}']
)
def test_an_answer_without_a_message_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderError, match="malformed"):
        read_answer(body)


def test_an_error_with_status_200_is_an_error() -> None:
    with pytest.raises(ProviderError) as told:
        read_answer(b'{"error":{"message":"upstream is down","code":502}}')
    assert (told.value.ending, told.value.status) == (Ending.FAILED, 502)


@pytest.mark.parametrize("portion", [1, 7, 10_000])
async def test_what_was_said_before_an_error_is_passed_on_however_the_bytes_come(
    portion: int, client: HttpClient, call: Callable[..., Call]
) -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"error":{"message":"no"}}\n\n'

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for start in range(0, len(body), portion):
            writer.write(body[start : start + portion])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    said = ""
    async with listening(say) as port:
        with pytest.raises(ProviderError) as told:
            async for chunks in OpenAIProvider(settings(port), client).stream(call("m")):
                said += "".join(chunk.text for chunk in chunks)
    assert said == "a"
    assert told.value.ending is Ending.CUT


@pytest.mark.parametrize("code", [b"1e999", b"9" * 400, b'"\\ud800"', b"NaN"])
def test_an_error_with_a_detail_that_is_no_proper_json_is_an_error(code: bytes) -> None:
    event = b'{"error": {"message": "worker died", "code": ' + code + b"}}"
    for read in (ChunkReader().read, read_answer):
        with pytest.raises(ProviderError, match="worker died") as told:
            read(event)
        assert told.value.verdict is Verdict.FAILED


def test_half_an_emoji_does_not_cut_a_stream() -> None:
    """Servers that split a text between UTF-16 code units send it so."""
    reader = ChunkReader()
    events = [rb'{"choices":[{"index":0,"delta":{"content":"\ud83d"}}]}', rb'{"choices":[{"delta":{"content":" ok"}}]}']
    chunks = [reader.read(event) for event in events]
    assert [chunk.text for chunk in chunks if chunk is not None] == ["\ufffd", " ok"]


def test_a_choice_without_a_number_is_the_first() -> None:
    reader = ChunkReader()
    chunk = reader.read(b'{"choices":[{"index":null,"delta":{"content":"x"},"finish_reason":"stop"}]}')
    assert chunk is not None
    assert (chunk.text, chunk.finish_reason, reader.complete) == ("x", "stop", True)
