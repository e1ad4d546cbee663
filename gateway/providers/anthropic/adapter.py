"""Adapter for Anthropic's Messages API: translates requests, answers and streams."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping

import msgspec

from gateway.providers.anthropic.requests import KNOWN, Form, translate
from gateway.providers.anthropic.responses import EventReader, read_message
from gateway.providers.http.client import HttpClient, encode_headers
from gateway.providers.upstream.caller import ReadWhole, Request, Upstream
from gateway.providers.upstream.dialect import Dialect
from gateway.providers.upstream.key_rotation import KeyRing
from gateway.providers.upstream.provider import Answer, Call, Chunk
from gateway.providers.upstream.template import Relay
from gateway.settings import ProviderSettings

VERSION = "2023-06-01"
"""API version in which older models still accept a temperature."""

FAST_MODE = encode_headers({"anthropic-beta": "fast-mode-2026-02-01"})
"""The header that models want beside `speed: "fast"` if they have had it in a preview."""

MAX_IMAGE_BYTES = 5 * 2**20
"""Of an image in base64: Anthropic's limit for long, and still that of Bedrock and Google Cloud."""


class AnthropicProvider:
    """Provider for Claude at Anthropic, or for any server with the same API."""

    max_image_bytes: int | None = MAX_IMAGE_BYTES

    def __init__(self, settings: ProviderSettings, client: HttpClient) -> None:
        self._drop = settings.drop
        self._dialect = Dialect(settings)
        self._url = f"{settings.base_url}/messages"
        self._upstream = Upstream(
            client, KeyRing(settings.api_keys), _authorize, settings.timeout_seconds, settings.idle_seconds
        )

    def complete(self, call: Call) -> Coroutine[object, object, Answer]:
        """Call the model and return its whole answer. Raises ProviderError."""
        return self._upstream.complete(call, self._ask, self._dialect)

    def stream(self, call: Call, relay: Relay | None = None) -> AsyncGenerator[list[Chunk], None]:
        """Call the model and yield the chunks of its stream. Raises ProviderError."""

        def ask(without: frozenset[str]) -> tuple[Request, EventReader]:
            request, form = self._request(call, without, stream=True)
            return request, EventReader(form, self._upstream.secrets)

        return self._upstream.stream(ask, self._dialect, relay)

    def knows(self, field: str) -> bool:
        """Whether the field has a translation, or is a hint that can be dropped."""
        return field in KNOWN or field in self._drop

    def _ask(self, call: Call, without: frozenset[str]) -> tuple[Request, ReadWhole]:
        request, form = self._request(call, without, stream=False)
        return request, lambda body, secrets: read_message(body, form, secrets)

    def _request(self, call: Call, without: frozenset[str], *, stream: bool) -> tuple[Request, Form]:
        fields = {name: raw for name, raw in call.fields.items() if name not in self._drop}
        body, form = translate(call.model, fields, call.output_limit)
        if stream:
            body["stream"] = True
        if "metadata" in self._dialect.left_out(without, _now()):
            body.pop("metadata", None)  # which names the user
        request = Request(
            url=self._url,
            model=call.model,
            body=msgspec.json.encode(body),
            sent=dict.fromkeys(fields.keys() | ({"metadata"} & body.keys())),
            deadline=call.deadline,
            silence_seconds=call.silence_seconds,
            trace_headers=call.trace_headers + (FAST_MODE if body.get("speed") == "fast" else b""),
        )
        return request, form


def _now() -> float:
    return asyncio.get_running_loop().time()


def _authorize(key: str) -> Mapping[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "bandit-gateway",
        "anthropic-version": VERSION,
    }
    return headers | {"x-api-key": key} if key else headers
