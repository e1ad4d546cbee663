"""Local model servers are found where they answer, and only there."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.serving.discovery import LocalServer, discover

MODELS = json.dumps({"object": "list", "data": [{"id": "llama3:8b"}, {"id": "qwen/qwen3-8b"}]}).encode()


@asynccontextmanager
async def server(
    body: bytes | None, status: str = "200 OK", together: asyncio.Barrier | None = None
) -> AsyncIterator[int]:
    """A server with one answer; None: it takes the question and never answers. `together`: so many must ask first."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if together is not None:
            await together.wait()
        if body is None:
            await reader.read()
        else:
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
    assert all(request.startswith(b"GET /v1/models ") for request in asked)


async def test_a_server_that_lists_models_is_found_with_the_lines_that_declare_it() -> None:
    async with server(MODELS) as port:
        found = await discover({"ollama": port}, timeout_seconds=60.0)
    assert found == (LocalServer("ollama", f"http://127.0.0.1:{port}/v1", ("llama3:8b", "qwen/qwen3-8b")),)
    declared = tomllib.loads(found[0].toml())
    assert declared["providers"]["ollama"]["base_url"] == f"http://127.0.0.1:{port}/v1"
    assert set(declared["models"]) == {"ollama/llama3:8b", "ollama/qwen/qwen3-8b"}


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"data": 3}', b'{"data": [3, {"id": 4}, {"id": "a\\nb"}]}', b"[" * 9_999]
)
async def test_what_is_no_model_server_is_passed_over(body: bytes) -> None:
    async with server(body) as port:
        assert await discover({"x": port}, timeout_seconds=60.0) == ()


async def test_an_error_is_no_model_server() -> None:
    async with server(MODELS, "404 Not Found") as port:
        assert await discover({"x": port}, timeout_seconds=60.0) == ()


async def test_servers_that_hang_or_refuse_are_passed_over() -> None:
    async with server(None) as hanging:
        assert await discover({"hangs": hanging, "refuses": 1}, timeout_seconds=0.4) == ()


async def test_all_servers_are_asked_at_once_so_that_those_that_hang_cost_one_timeout_together() -> None:
    """None of these answers before all were asked."""
    together = asyncio.Barrier(10)
    async with server(MODELS, together=together) as port:
        names = [f"server{number}" for number in range(together.parties)]
        found = await discover(dict.fromkeys(names, port), timeout_seconds=60.0)
    assert [each.name for each in found] == names
