"""Finds model servers on this machine by asking their usual ports, and shows how to declare them.

They are only asked for their list of models, and get no prompt until they are declared.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

KNOWN_SERVERS: Mapping[str, int] = {"ollama": 11434, "lmstudio": 1234, "llamacpp": 8080, "vllm": 8000}
TIMEOUT_SECONDS = 0.3
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered, with the names of its models."""

    name: str
    base_url: str
    models: tuple[str, ...]

    def toml(self, most: int = 3) -> str:
        """The lines that would declare it, with its first models."""
        lines = [f"[providers.{self.name}]", f'base_url = "{self.base_url}"']
        lines += [f'[models."{self.name}/{model}"]' for model in self.models[:most]]
        return "\n".join(lines)


async def discover(
    servers: Mapping[str, int] = KNOWN_SERVERS, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[LocalServer, ...]:
    """The servers that answer on loopback within the timeout, all asked at once."""
    import httpx  # noqa: PLC0415 - 0.1 s of a start, and nobody looks before the gateway answers

    async with httpx.AsyncClient(timeout=timeout_seconds, trust_env=False) as client:
        found = await asyncio.gather(*(_ask(client, name, port, timeout_seconds) for name, port in servers.items()))
    return tuple(server for server in found if server is not None)


async def _ask(client: httpx.AsyncClient, name: str, port: int, timeout_seconds: float) -> LocalServer | None:
    import httpx  # noqa: PLC0415 - as above

    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        async with asyncio.timeout(timeout_seconds), client.stream("GET", f"{base_url}/models") as response:
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    return None
            models = _model_names(body) if response.status_code == 200 else ()
    except (httpx.HTTPError, TimeoutError):
        return None
    return LocalServer(name, base_url, models) if models else None


def _model_names(body: bytes) -> tuple[str, ...]:
    """The model ids in an OpenAI list that are valid in a configuration file; empty if it is no such list."""
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    data = listed.get("data") if isinstance(listed, dict) else None
    ids = [item.get("id") for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    return tuple(id_ for id_ in ids if isinstance(id_, str) and re.fullmatch(r"[A-Za-z0-9._:/@+-]{1,150}", id_))
