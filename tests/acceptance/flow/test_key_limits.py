"""Limits of API keys as callers meet them, with the real client and over plain HTTP."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.support.gateway import Running
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
BODY: dict[str, Any] = {"model": "dari/routing", "messages": MESSAGES}

Make = Callable[..., str]


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    with running.http("admin") as http:
        yield http


@pytest.fixture
def limited(running: Running, admin: httpx.Client) -> Make:
    """Makes a key with these limits, which works already."""

    def make(**limits: object) -> str:
        made = admin.post("/admin/api-keys", json={"label": "bot", "key_type": "routing", "limits": limits})
        assert made.status_code == 201, made.text
        secret: str = made.json()["secret"]
        with running.http(secret) as http:
            wait_until(lambda: http.get("/rtr_good/models").status_code == 200, "the key works")
        return secret

    return make


def ask(running: Running, key: str, router_id: str = "rtr_good", **more: object) -> httpx.Response:
    with running.http(key) as http:
        return http.post(f"/{router_id}/chat/completions", json={**BODY, **more})


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


def test_requests_a_minute_are_refused_as_openai_refuses_them(running: Running, limited: Make) -> None:
    key = limited(requests_per_minute=2)
    first = ask(running, key)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert "x-ratelimit-limit-tokens" not in first.headers
    with running.http(key) as http:  # through ASGI
        chunked = http.post(
            "/rtr_good/chat/completions",
            content=iter([json.dumps(BODY).encode()]),
            headers={"content-type": "application/json"},
        )
    assert chunked.status_code == 200
    assert chunked.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as refused:
        running.client(key=key).chat.completions.create(**BODY)
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "requests")
    headers = refused.value.response.headers
    assert 0 < int(headers["retry-after-ms"]) <= int(headers["retry-after"]) * 1_000 <= 31_000
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert ask(running, "routing").status_code == 200, "others are not limited"
    assert "x-ratelimit-limit-requests" not in ask(running, "routing").headers


def test_the_real_client_waits_as_it_is_told_and_succeeds(running: Running, limited: Make) -> None:
    client = running.client(key=limited(requests_per_minute=60))
    with pytest.raises(openai.RateLimitError):
        for _ in range(200):
            client.chat.completions.create(**BODY)
    assert client.with_options(max_retries=2).chat.completions.create(**BODY).choices


def test_every_answer_of_a_limited_key_says_what_is_left(running: Running, limited: Make) -> None:
    key = limited(tokens_per_minute=10_000, usd_per_day=5.0)
    names = {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"}
    names |= {"x-ratelimit-remaining-usd"}
    with running.http(key) as http:
        answers = {
            "plain": ask(running, key),
            "stream": ask(running, key, stream=True),
            "responses": http.post("/rtr_good/responses", json={"model": "dari/routing", "input": "Hi"}),
            "wrong": ask(running, key, temperature="hot"),
            "failed": ask(running, key, "rtr_500"),
        }
    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert statuses == {"plain": 200, "stream": 200, "responses": 200, "wrong": 400, "failed": 502}
    for name, answer in answers.items():
        assert names <= answer.headers.keys(), name
    assert 9_985 <= int(answers["plain"].headers["x-ratelimit-remaining-tokens"]) < 10_000, "of 10,000, less 15"


def test_tokens_a_minute_count_what_is_asked_for(running: Running, limited: Make) -> None:
    key = limited(tokens_per_minute=1_000)
    with pytest.raises(openai.RateLimitError) as refused:
        running.client(key=key).with_options(max_retries=5).chat.completions.create(**BODY, max_tokens=2_000)
    assert refused.value.type == "tokens"
    assert refused.value.response.headers["x-should-retry"] == "false", "it would never fit"
    assert 985 <= int(ask(running, key, max_tokens=900).headers["x-ratelimit-remaining-tokens"]) <= 1_000


def test_dollars_end_with_a_word_on_when_they_are_back(running: Running, limited: Make, admin: httpx.Client) -> None:
    key = limited(usd_per_day=0.000021)  # an answer costs 0.000019
    wait_until(lambda: ask(running, key).status_code == 429, "the dollars are spent")
    refused = ask(running, key)
    error = error_of(refused, 429)
    assert error["code"] == "budget_exhausted"
    assert "midnight UTC" in error["message"]
    assert "(bot)" in error["message"]
    assert refused.headers["x-should-retry"] == "false"
    assert float(refused.headers["x-ratelimit-remaining-usd"]) < 0.000019
    assert ask(running, key, "rtr_free").status_code == 200, "a free model always serves"
    key_id = error["message"].partition("API key ")[2].partition(" ")[0]
    shown = admin.get(f"/admin/api-keys/{key_id}").json()
    assert shown["usage"]["today"] == shown["usage"]["month"]
    metrics = admin.get("/metrics").text
    assert f'bandit_gateway_ratelimited_total{{key="{key_id}",kind="usd"}}' in metrics
    assert f'bandit_gateway_budget_limit_usd{{id="{key_id}",scope="key"}} 2.1e-05' in metrics


def test_only_allowed_models_answer(running: Running, limited: Make) -> None:
    key = limited(models=["p/good-b"])
    selected = {ask(running, key).headers["x-router-selected-model"] for _ in range(10)}
    assert selected == {"p/good-b"}
    assert {model.id for model in running.client(key=key).models.list()} == {"dari/routing", "p/good-b"}
    error = error_of(ask(running, key, "rtr_second"), 403)
    assert error["code"] == "insufficient_scope"
    assert "p/good-b" in error["message"]
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]
    error = error_of(ask(running, limited(models=["p/good-a"]), "rtr_seeing", messages=image), 400)
    assert error["code"] == "no_capable_model"
    assert "p/good-a lacks vision" in error["message"]


def test_only_allowed_tasks_are_served(running: Running, limited: Make) -> None:
    key = limited(tasks=["billing"])
    assert ask(running, key, metadata={"task": "billing"}).status_code == 200
    assert "'billing'" in error_of(ask(running, key, metadata={"task": "sales"}), 403)["message"]
    assert error_of(ask(running, key), 403)["code"] == "insufficient_scope"
