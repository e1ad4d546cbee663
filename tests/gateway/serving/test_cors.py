"""Web pages of the configured origins may call the gateway; others may not, and without any nothing is said of CORS."""

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.asgi import Receive, Scope, Send
from gateway.serving.server import with_cors
from gateway.settings import SettingsError, load

ORIGIN = "https://app.example.com"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"req_1")]})
    await send({"type": "http.response.body", "body": b"ok"})


def ask(method: str, origin: str, *origins: str, **headers: str) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=with_cors(app, origins))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, "/rtr_a/chat/completions", headers={"origin": origin} | headers)

    return asyncio.run(call())


def test_a_preflight_of_a_configured_origin_is_allowed_with_its_headers() -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    answer = ask("OPTIONS", ORIGIN, ORIGIN, **asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert ask("OPTIONS", "https://evil.example", ORIGIN, **asked).status_code == 400


def test_answers_can_be_read_with_the_headers_of_the_gateway() -> None:
    answer = ask("POST", ORIGIN, ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = answer.headers["access-control-expose-headers"]
    assert "x-router-selected-model" in exposed
    assert "x-router-variant" in exposed
    assert "access-control-allow-origin" not in ask("POST", "https://evil.example", ORIGIN).headers
    assert "access-control-allow-origin" not in ask("POST", ORIGIN).headers
    assert ask("POST", "https://any.example", "*").headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("wrong", ["app.example.com", "https://a.example/path", "https://*.example.com", "https://a,b"])
def test_what_is_no_origin_is_refused_at_start(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'cors_origins = ["{wrong}"]\n')
    with pytest.raises(SettingsError, match="cors_origins"):
        load(path, {})
    path.write_text(f'cors_origins = ["{ORIGIN}", "http://127.0.0.1:3000"]\n')
    assert load(path, {}).cors_origins == (ORIGIN, "http://127.0.0.1:3000")
