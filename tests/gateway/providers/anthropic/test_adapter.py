"""The Anthropic adapter over HTTP."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bandit.types import Ending
from gateway.providers.anthropic.adapter import AnthropicProvider
from gateway.providers.anthropic.requests import DEFAULT_MAX_TOKENS
from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Call, ProviderError
from gateway.settings import ProviderSettings
from tests.support.anthropic_messages import (
    SAID,
    TALK,
    message,
)
from tests.support.sockets import Raw, listening


def stream_of(events: list[dict[str, Any]]) -> bytes:
    body = b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_the_provider_speaks_over_http_plain_and_streamed(client: HttpClient, call: Callable[..., Call]) -> None:
    body = message(SAID)
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    raw = Raw(plain, stream_of(TALK), stream_of(TALK[:-2]))
    async with listening(raw.serve) as port:
        adapter = AnthropicProvider(ProviderSettings("a", "anthropic", f"http://127.0.0.1:{port}/v1", ("key",)), client)
        limited = replace(call("claude-sonnet-5-5"), output_limit=4_096)
        assert (await adapter.complete(limited)).text == "Hello"
        lists = [chunks async for chunks in adapter.stream(call("claude-sonnet-5-5"))]
        assert "".join(chunk.text for chunks in lists for chunk in chunks) == "Hello"
        with pytest.raises(ProviderError) as told:
            async for _ in adapter.stream(call("claude-sonnet-5-5")):
                pass
    assert told.value.ending is Ending.CUT
    assert raw.requests[0].startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"\r\nx-api-key: key\r\n" in raw.requests[0]
    assert b"\r\nanthropic-version: 2023-06-01\r\n" in raw.requests[0]
    whole, streamed, _ = (json.loads(request.partition(b"\r\n\r\n")[2]) for request in raw.requests)
    assert "stream" not in whole
    assert streamed["stream"] is True
    assert (whole["max_tokens"], streamed["max_tokens"]) == (4_096, DEFAULT_MAX_TOKENS)


def test_fields_without_a_translation_are_not_known(client: HttpClient) -> None:
    adapter = AnthropicProvider(
        ProviderSettings("a", "anthropic", "http://127.0.0.1/v1", drop=frozenset({"seed"})), client
    )
    assert adapter.knows("tools")
    assert adapter.knows("metadata")
    assert adapter.knows("seed")
    assert not adapter.knows("logit_processors")
