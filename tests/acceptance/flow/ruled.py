"""A gateway before a provider that answers by rules: the first whose words stand in the request's bytes."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from storage.records import DecisionView
from storage.stores.ledger import Ledger
from tests.support.asgi import read_body
from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import completion
from tests.support.threads import App, serve_app

ROUTER = "rtr_ruled"
BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]}


@dataclass(frozen=True)
class Rule:
    """What is answered if `words` are found in the request, and `unless` are not."""

    status: int = 200
    body: Any = None  # None: a plain answer, or a stream that says the same
    events: list[Any] | None = None
    words: str = ""
    unless: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def fits(self, request: str) -> bool:
        return re.search(self.words, request) is not None and not (self.unless and re.search(self.unless, request))


def refusing(status: int, message: str, words: str = "", unless: str = "", **more: Any) -> Rule:
    """An error in OpenAI's shape; `more` are its other keys."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Rule(status, {"error": error}, words=words, unless=unless)


@dataclass
class Ruled:
    """The gateway, its provider's rules by model, and what the provider was sent."""

    running: Running
    http: httpx.Client
    rules: dict[str, list[Rule]]
    received: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, **fields: Any) -> httpx.Response:
        return self.http.post(f"/{ROUTER}/chat/completions", json=BODY | fields)

    def view(self, answer: httpx.Response) -> DecisionView:
        view = Ledger(self.running.gateway.database).decision(answer.headers["x-request-id"])
        assert view is not None
        return view

    def tried(self, answer: httpx.Response) -> list[str]:
        return [attempt.model_id.removeprefix("p/") for attempt in self.view(answer).attempts]


@contextmanager
def ruled(
    rules: dict[str, list[Rule]], *, router: str = "", model: str = "", kind: str = "openai", more: str = ""
) -> Iterator[Ruled]:
    """`router` and `model` are further lines of configuration; the models are those with rules, the first preferred."""
    received: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory, serve_app(_provider(rules, received, kind)) as url:
        text = f'database_url = "sqlite:///{directory}/ledger.db"\n'
        text += f'[providers.p]\nkind = "{kind}"\nbase_url = "{url}/v1"\n'
        for name in rules:
            text += f'[models."p/{name}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'
            text += f'abilities = ["tools", "json_schema", "files"]\n{model or "context_window = 128000"}\n'
        listed = ", ".join(f'"p/{name}"' for name in rules)
        policy = f'policy = "fixed:p/{next(iter(rules))}"\n' if "policy" not in router else ""
        text += f"[routers.{ROUTER}]\nmodels = [{listed}]\n{policy}{router}\n{more}"
        with run_gateway(text, Path(directory)) as running, running.http() as http:
            yield Ruled(running, http, rules, received)


def _provider(rules: dict[str, list[Rule]], received: list[dict[str, Any]], kind: str) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        request = json.loads(await read_body(receive))
        received.append(request)
        text = json.dumps(request)
        rule = next(rule for rule in [*rules[request["model"]], Rule()] if rule.fits(text))
        events = rule.events
        if events is None and rule.body is None and request.get("stream"):
            events = [chunk({"content": "Hello!"}), chunk({}, "stop"), "[DONE]"]
        content_type = "application/json" if events is None else "text/event-stream"
        headers = {"content-type": content_type, **rule.headers}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": rule.status, "headers": encoded})
        if events is None:
            answer = anthropic_message(request["model"]) if kind == "anthropic" else completion(request["model"])
            parts = [json.dumps(answer if rule.body is None else rule.body).encode()]
        else:
            parts = [f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n".encode() for each in events]
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "u", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def anthropic_message(model: str) -> dict[str, Any]:
    content = [{"type": "text", "text": "Hello!"}]
    usage = {"input_tokens": 3, "output_tokens": 5}
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "end_turn",
        "usage": usage,
    }
