"""What a request is expected to cost: each part of its prompt as this model bills it, and what is in its cache less."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bandit.statistics import Signal
from bandit.types import ArmView, LoopTime
from gateway.choice_records import read_choice
from gateway.maintenance.rebuild import rebuild_of
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from tests.support.asgi import read_body
from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import completion
from tests.support.threads import App, serve_app
from tests.support.waiting import wait_until

USD = 1e-6
TEXT = "word " * 2_000
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d" * 20_000}}]
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def billed(request: dict[str, Any]) -> dict[str, Any]:
    """A quarter of the text's characters, 0.3 tokens for a character of tools, 250 for a picture; `b` caches all."""
    contents = [message["content"] for message in request["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    texts = [content for content in contents if isinstance(content, str)]
    texts += [part["text"] for part in parts if part["type"] == "text"]
    tools = json.dumps(request["tools"]) if "tools" in request else ""
    tokens = round(sum(map(len, texts)) / 4 + 0.3 * len(tools) + 250 * sum(part["type"] != "text" for part in parts))
    cached = tokens if request["model"] == "b" else 0
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1, **details}


def provider() -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        request = json.loads(await read_body(receive))
        answer = completion(request["model"]) | {"usage": billed(request)}
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
        await send(start)
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return app


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("parts")
    with serve_app(provider()) as url:
        text = f'database_url = "sqlite:///{folder / "ledger.db"}"\n[providers.p]\nbase_url = "{url}/v1"\n'
        for model in "ab":
            text += f'[models."p/{model}"]\ninput_usd_per_million = 1.0\ncached_input_usd_per_million = 0.1\n'
            text += 'output_usd_per_million = 0.0\ncontext_window = 128000\nabilities = ["tools", "vision"]\n'
        text += '[routers.rtr_tools]\nmodels = ["p/a"]\n[routers.rtr_images]\nmodels = ["p/a"]\n'
        text += '[routers.rtr_sticky]\nmodels = ["p/a", "p/b"]\nsticky_seconds = 60\npolicy = "fixed:p/b"\n'
        with run_gateway(text, folder) as gateway:
            yield gateway


def ask(running: Running, router_id: str, content: Any, **more: Any) -> dict[str, ArmView]:
    """What was expected of each model for this request."""
    client = running.client(router_id)
    messages: Any = content if isinstance(content, list) and "role" in content[0] else None
    messages = messages or [{"role": "user", "content": content}]
    answer = client.chat.completions.with_raw_response.create(model="dari/routing", messages=messages, **more)
    view = Ledger(running.gateway.database).decision(answer.headers["x-request-id"])
    assert view is not None
    choice = read_choice(view.decision.choice)
    return {arm.model_id: arm for arm in choice.arms}


def has_learned(running: Running, router_id: str, answers: int) -> None:
    """The snapshot that decisions are made from has seen so many outcomes."""
    router = running.gateway.routers[router_id]
    clock = running.gateway.database.clock.now
    wait_until(
        lambda: router.renewed(clock(), LoopTime(time.monotonic())).snapshot.outcomes.sum() >= answers,
        "the answers are learned",
    )


def test_requests_with_tools_leave_what_a_text_is_expected_to_cost(running: Running) -> None:
    first = ask(running, "rtr_tools", TEXT)["p/a"].cost_usd
    assert first == pytest.approx(2_500 * USD, rel=0.2)  # lengths are in buckets
    for _ in range(30):
        ask(running, "rtr_tools", "hi", tools=TOOLS)
    has_learned(running, "rtr_tools", 31)
    assert ask(running, "rtr_tools", TEXT)["p/a"].cost_usd == pytest.approx(2_500 * USD, rel=0.2)
    assert ask(running, "rtr_tools", "hi", tools=TOOLS)["p/a"].cost_usd == pytest.approx(6_000 * USD, rel=0.05)


def test_a_model_s_own_price_of_a_picture_is_learned_apart_from_the_text(running: Running) -> None:
    pictures = [{"type": "text", "text": "what is it?"}, PICTURE, PICTURE]
    assert ask(running, "rtr_images", pictures)["p/a"].cost_usd == pytest.approx(1_600 * USD, rel=0.2)
    for _ in range(10):
        ask(running, "rtr_images", pictures)
    has_learned(running, "rtr_images", 11)
    assert ask(running, "rtr_images", pictures)["p/a"].cost_usd == pytest.approx(500 * USD, rel=0.15)
    assert ask(running, "rtr_images", TEXT)["p/a"].cost_usd == pytest.approx(2_500 * USD, rel=0.2)


def test_a_kept_conversation_is_expected_to_find_its_prompt_in_its_model_s_cache(running: Running) -> None:
    turns = [{"role": "user", "content": TEXT}]
    first = ask(running, "rtr_sticky", turns, user="u1")
    assert first["p/b"].cost_usd == pytest.approx(first["p/a"].cost_usd)
    turns += [{"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "And then?"}]
    second = ask(running, "rtr_sticky", turns, user="u1")
    assert second["p/b"].cost_usd < 0.3 * second["p/a"].cost_usd
    other = ask(running, "rtr_sticky", turns, user="u2")
    assert other["p/b"].cost_usd > 0.8 * other["p/a"].cost_usd, "what p/b bills of a text may be known by now"


def test_the_ledger_adds_up_to_what_was_learned_of_every_part(running: Running) -> None:
    ask(running, "rtr_tools", [{"type": "text", "text": "?"}, PICTURE], tools=TOOLS)
    learned = {key.signal for key in Arms(running.gateway.database).sums("rtr_tools")}
    assert {
        Signal.PROMPT_RATIO,
        Signal.PROMPT_TOOLS,
        Signal.PROMPT_IMAGES,
        Signal.PROMPT_TOOLS_IMAGES,
    } <= learned
    assert rebuild_of(running.gateway.database).check() == []
