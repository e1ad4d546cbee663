"""Adapter for servers with OpenAI's wire format: forwards the caller's bytes under the provider's model name."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from urllib.parse import quote, urlsplit

import msgspec

from gateway.providers.http.client import HttpClient
from gateway.providers.openai.responses import ChunkReader, read_answer
from gateway.providers.upstream.caller import ReadWhole, Request, Upstream
from gateway.providers.upstream.dialect import Dialect
from gateway.providers.upstream.key_rotation import KeyRing
from gateway.providers.upstream.provider import Answer, Call, Chunk
from gateway.providers.upstream.template import Relay
from gateway.settings import ProviderSettings

_OF_STREAMS = frozenset({"stream", "stream_options"})
_TRUE = msgspec.Raw(b"true")
_WITH_USAGE = msgspec.Raw(b'{"include_usage":true}')
_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode


class OpenAIProvider:
    """Provider for OpenAI, and for Gemini, Mistral, Groq, OpenRouter, Together, Azure, Ollama, vLLM, llama.cpp, …"""

    max_image_bytes: int | None = None

    def __init__(self, settings: ProviderSettings, client: HttpClient) -> None:
        self._dialect = Dialect(settings)
        self._base_url = settings.base_url
        self._url = f"{settings.base_url}/chat/completions"
        self._api_version = settings.api_version
        self._upstream = Upstream(
            client, KeyRing(settings.api_keys), self._authorize, settings.timeout_seconds, settings.idle_seconds
        )

    def complete(self, call: Call) -> Coroutine[object, object, Answer]:
        """Call the model and return its whole answer. Raises ProviderError."""
        return self._upstream.complete(call, self._ask, self._dialect)

    def stream(self, call: Call, relay: Relay | None = None) -> AsyncGenerator[list[Chunk], None]:
        """Call the model and yield the chunks of its stream, usage included. Raises ProviderError."""

        def ask(without: frozenset[str]) -> tuple[Request, ChunkReader]:
            reader = ChunkReader(self._upstream.secrets, _choices(call.fields.get("n")))
            return self._request(call, self._fields(call, without, stream=True)), reader

        return self._upstream.stream(ask, self._dialect, relay)

    def knows(self, field: str) -> bool:
        """Always True: fields that the provider doesn't accept are dropped."""
        return True

    def _ask(self, call: Call, without: frozenset[str]) -> tuple[Request, ReadWhole]:
        return self._request(call, self._fields(call, without, stream=False)), read_answer

    def _fields(self, call: Call, without: frozenset[str], *, stream: bool) -> dict[str, object]:
        wanted, dialect = call.fields, self._dialect
        if "stream" in wanted or "stream_options" in wanted:
            wanted = {name: raw for name, raw in wanted.items() if name not in _OF_STREAMS}
        if stream:
            wanted = {**wanted, "stream": _TRUE, "stream_options": _with_usage(call.fields.get("stream_options"))}
        if without or not dialect.takes_all:
            wanted = dialect.fields(call.model, wanted, without, asyncio.get_running_loop().time())
        return {"model": call.model, **wanted}

    def _request(self, call: Call, fields: Mapping[str, object]) -> Request:
        return Request(
            url=self._url if self._api_version is None else self._azure_url(call.model, self._api_version),
            model=call.model,
            body=_encode(fields),
            sent=fields,
            deadline=call.deadline,
            silence_seconds=call.silence_seconds,
            trace_headers=call.trace_headers,
        )

    def _azure_url(self, model: str, api_version: str) -> str:
        # The classic form names the deployment in the path; the v1 form does not.
        base = self._base_url if urlsplit(self._base_url).path else f"{self._base_url}/openai"
        place = "" if base.endswith("/v1") else f"/deployments/{quote(model, safe='')}"
        return f"{base}{place}/chat/completions?api-version={api_version}"

    def _authorize(self, key: str) -> Mapping[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "bandit-gateway",
        }
        if key:
            headers |= {"api-key": key} if self._api_version else {"Authorization": f"Bearer {key}"}
        return headers


def _choices(n: msgspec.Raw | None) -> int:
    """The number of choices asked for; 1 if it can't be read, which the provider will refuse."""
    try:
        return msgspec.json.decode(n, type=int) if n is not None else 1
    except msgspec.DecodeError:
        return 1


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    """The caller's stream options with `include_usage` set, which the cost is computed from."""
    if options is None or bytes(options) == b"null":
        return _WITH_USAGE
    return msgspec.Raw(_encode({**_OPTIONS.decode(options), "include_usage": _TRUE}))
