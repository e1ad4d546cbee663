"""The completion endpoint as the real OpenAI client sees it."""

import asyncio
import json
import re
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from bandit.types import Ending
from storage.stores.ledger import Ledger
from tests.support.gateway import Running
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def test_a_plain_answer_has_our_id_model_and_reason(running: Running) -> None:
    answer = running.client().chat.completions.create(model="dari/routing", messages=MESSAGES)
    assert re.fullmatch(r"chatcmpl-req_[0-9a-f]{32}", answer.id)
    assert answer.object == "chat.completion"
    assert answer.created > 1_700_000_000
    assert answer.model in {"p/good-a", "p/good-b"}
    assert answer.choices[0].message.content == "Hello!"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 15
    assert answer.system_fingerprint == "fp_1"
    routing = answer.model_extra["dari_routing"] if answer.model_extra else {}
    assert set(routing) == {"requested_model", "selected_model", "reason"}
    assert routing["requested_model"] == "dari/routing"
    assert routing["selected_model"] == answer.model
    assert answer.model in routing["reason"]


def test_the_headers_tell_the_request_the_model_and_our_own_time(running: Running) -> None:
    raw = running.client().chat.completions.with_raw_response.create(model="dari/routing", messages=MESSAGES)
    answer = raw.parse()
    assert raw.headers["x-request-id"] == answer.id.removeprefix("chatcmpl-")
    assert raw.headers["x-router-selected-model"] == answer.model
    assert raw.headers["x-router-attempts"] == "1"
    assert float(raw.headers["x-router-overhead-ms"]) >= 0
    assert "x-router-degraded" not in raw.headers


def test_paths_with_v1_work_too(running: Running) -> None:
    client = running.client("rtr_good/v1")
    assert client.chat.completions.create(model="dari/routing", messages=MESSAGES).choices
    assert client.models.retrieve("dari/routing").id == "dari/routing"


def test_the_provider_gets_the_callers_bytes_with_its_own_model_name(running: Running) -> None:
    running.received.bodies.pop("good-a", None)
    raw = (
        b'{"model":"dari/routing","messages":[{"role":"user","content":"h\\u00e9 \xf0\x9f\x99\x82"}],'
        b'"temperature":1.0,"seed":123456789012345678901234567890,"x_new":[1.50],"routing":{"instructions":"x"}}'
    )
    with running.http() as http:
        response = http.post(
            "/rtr_second/chat/completions", content=raw, headers={"content-type": "application/json; charset=utf-8"}
        )
    assert response.status_code == 200, response.text
    sent = running.received.bodies["good-a"][-1]
    assert b'"messages":[{"role":"user","content":"h\\u00e9 \xf0\x9f\x99\x82"}]' in sent
    assert b'"temperature":1.0' in sent
    assert b'"seed":123456789012345678901234567890' in sent
    assert b'"x_new":[1.50]' in sent
    read = json.loads(sent)
    assert read["model"] == "good-a"
    assert "routing" not in read


def test_a_stream_has_one_id_the_reason_first_and_done_last(running: Running) -> None:
    with running.http() as http:
        body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
        response = http.post("/rtr_good/chat/completions", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert chunks[0]["choices"] == [{"index": 0, "delta": {}, "finish_reason": None}]
    assert set(chunks[0]["dari_routing"]) == {"requested_model", "selected_model", "reason"}
    assert not any("usage" in chunk or chunk["choices"] == [] for chunk in chunks)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello!"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_usage_is_streamed_if_and_only_if_it_was_asked_for(running: Running) -> None:
    stream = running.client().chat.completions.create(
        model="dari/routing", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 10
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_the_async_client_works_plain_and_streamed(running: Running) -> None:
    async with AsyncOpenAI(
        base_url=f"{running.url}/rtr_good", api_key=running.keys["routing"], max_retries=0
    ) as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(model="dari/routing", messages=MESSAGES) for _ in range(8))
        )
        assert len({answer.id for answer in answers}) == 8
        stream = await client.chat.completions.create(model="dari/routing", messages=MESSAGES, stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(words) == "Hello!"


@pytest.mark.parametrize(
    ("router_id", "key", "kind", "code"),
    [
        ("rtr_good", "sk-bg-unknown", openai.AuthenticationError, "invalid_api_key"),
        ("rtr_good", "expired", openai.AuthenticationError, "invalid_api_key"),
        ("rtr_good", "revoked", openai.AuthenticationError, "invalid_api_key"),
        ("rtr_missing", "sk-bg-unknown", openai.AuthenticationError, "invalid_api_key"),
        ("rtr_good", "feedback", openai.PermissionDeniedError, "insufficient_scope"),
        ("rtr_good", "second", openai.PermissionDeniedError, "insufficient_scope"),
        ("rtr_missing", "second", openai.PermissionDeniedError, "insufficient_scope"),
        ("rtr_missing", "routing", openai.NotFoundError, "router_not_found"),
        ("not-a-router", "routing", openai.NotFoundError, "router_not_found"),
        ("rtr_400", "routing", openai.BadRequestError, "code_400"),
        ("rtr_422", "routing", openai.UnprocessableEntityError, "code_422"),
        ("rtr_413", "routing", openai.APIStatusError, "code_413"),
        ("rtr_429", "routing", openai.RateLimitError, "rate_limited"),
        ("rtr_500", "routing", openai.InternalServerError, "all_models_failed"),
        ("rtr_401", "routing", openai.InternalServerError, "all_models_failed"),
        ("rtr_mute", "routing", openai.InternalServerError, "provider_timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_each_failure_raises_its_own_exception(
    running: Running, router_id: str, key: str, kind: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    running.forget_cooldowns()
    with pytest.raises(kind) as caught:
        running.client(router_id, key).chat.completions.create(model="dari/routing", messages=MESSAGES, stream=stream)
    error = caught.value
    assert error.code == code
    assert re.fullmatch(r"req_[0-9a-f]{32}", error.response.headers["x-request-id"])
    assert set(error.response.json()["error"]) == {"message", "type", "param", "code"}


def test_the_callers_own_mistake_comes_back_in_the_providers_words(running: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        running.client("rtr_400").chat.completions.create(model="dari/routing", messages=MESSAGES)
    assert "scripted 400" in caught.value.message
    assert caught.value.param == "seed"


def test_statuses_and_retry_hints(running: Running) -> None:
    body = {"model": "dari/routing", "messages": MESSAGES}

    with running.http() as http:
        running.forget_cooldowns()
        limited = http.post("/rtr_429/chat/completions", json=body)
        assert limited.status_code == 429
        assert 1 <= int(limited.headers["retry-after"]) <= 8
        again = http.post("/rtr_429/chat/completions", json=body)
        assert again.status_code == 429
        assert 1 <= int(again.headers["retry-after"]) <= 8
        failed = http.post("/rtr_500/chat/completions", json=body)
        assert failed.status_code == 502
        assert "p/status-500" in failed.json()["error"]["message"]
        assert "p/status-503" in failed.json()["error"]["message"]
        assert failed.headers["x-router-attempts"] == "2"
        assert http.post("/rtr_mute/chat/completions", json=body).status_code == 504


@pytest.mark.parametrize("router_id", ["rtr_failover", "rtr_cutfirst"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_fails_before_its_first_word_is_replaced_unseen(
    running: Running, router_id: str, stream: bool
) -> None:
    running.forget_cooldowns()
    if router_id == "rtr_cutfirst" and not stream:
        return
    body = {"model": "dari/routing", "messages": MESSAGES, "stream": stream}
    with running.http() as http:
        answer = http.post(f"/{router_id}/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-router-selected-model"] == "p/good-a"
    assert answer.headers["x-router-attempts"] == "2"
    first = answer.text.partition("\n\n")[0].removeprefix("data: ") if stream else answer.text
    reason = json.loads(first)["dari_routing"]["reason"]
    assert "p/good-a" in reason
    assert ("p/status-500" if router_id == "rtr_failover" else "p/empty") in reason


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_model_that_can_not_stream_is_asked_plainly_and_streamed(running: Running, include_usage: bool) -> None:
    running.received.bodies.pop("good-plain", None)
    chunks = list(
        running.client("rtr_plain").chat.completions.create(
            model="dari/routing", messages=MESSAGES, stream=True, stream_options={"include_usage": include_usage}
        )
    )
    (asked,) = (json.loads(body) for body in running.received.bodies["good-plain"])
    assert asked.keys() == {"model", "messages"}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello!"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({(chunk.id, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([15] if include_usage else [])


def test_thinking_releases_the_headers(running: Running) -> None:
    running.received.thought.clear()
    body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
    with running.http() as http, http.stream("POST", "/rtr_thinks/chat/completions", json=body) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        events = []
        while "reasoning_content" not in (event := next(lines)):
            events.append(event)
        assert "dari_routing" in events[0]
        running.received.thought.set()
        assert [line for line in lines if line][-1] == "data: [DONE]"
    view = Ledger(running.gateway.database).decision(response.headers["x-request-id"])
    assert view is not None
    assert view.attempts[0].first_token_seconds is not None


def test_a_stream_that_breaks_while_it_thinks_is_told_and_can_not_be_scored(running: Running) -> None:
    running.forget_cooldowns()
    body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
    with running.http() as http:
        response = http.post("/rtr_thinkscut/chat/completions", json=body)
        last = json.loads(response.text.strip().split("\n\n")[-1].removeprefix("data: "))
        scored = http.post("/feedback", json={"completion_id": response.headers["x-request-id"], "score": 1.0})
    assert last["error"]["code"] == "all_models_failed"
    assert (scored.status_code, scored.json()["error"]["code"]) == (409, "no_answer_to_score")
    view = Ledger(running.gateway.database).decision(response.headers["x-request-id"])
    assert view is not None
    (attempt,) = view.attempts  # the client has seen the stream begin: no other model can take over
    assert (attempt.ending, attempt.first_token_seconds) == (Ending.CUT, None)
    assert attempt.completion_tokens == 1  # thoughts are paid for


def test_a_stream_that_breaks_ends_in_an_error_without_done(running: Running) -> None:
    running.forget_cooldowns()
    with pytest.raises(openai.APIError, match="cut off"):
        list(running.client("rtr_cut").chat.completions.create(model="dari/routing", messages=MESSAGES, stream=True))
    running.forget_cooldowns()
    with running.http() as http:
        body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
        text = http.post("/rtr_cut/chat/completions", json=body).text
    assert "[DONE]" not in text
    assert json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))["error"]["code"] == "all_models_failed"


@pytest.mark.parametrize(("router_id", "stream"), [("rtr_quiet", False), ("rtr_quiet", True), ("rtr_endless", True)])
def test_a_client_that_leaves_cancels_the_providers_call(running: Running, router_id: str, stream: bool) -> None:
    running.received.left.clear()
    body = {"model": "dari/routing", "messages": MESSAGES, "stream": stream}
    path = f"/{router_id}/chat/completions"
    with (
        running.http() as http,
        pytest.raises(httpx.ReadTimeout),
        http.stream("POST", path, json=body, timeout=1.0) as response,
    ):
        for _ in response.iter_bytes():
            pass
    wait_until(running.received.left.is_set, "the provider's call is closed")


def test_media_type_size_and_method_are_checked(running: Running) -> None:
    with running.http() as http:
        path = "/rtr_good/chat/completions"
        wrong = http.post(path, content=b"{}", headers={"content-type": "text/plain"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (415, "unsupported_media_type")
        large = http.post(path, content=b" " * (20 * 2**20 + 1), headers={"content-type": "application/json"})
        assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
        got = http.get(path)
        assert (got.status_code, got.json()["error"]["code"]) == (405, "method_not_allowed")
        assert http.get("/nothing/here").json()["error"]["type"] == "not_found_error"
        assert all("x-request-id" in answer.headers for answer in (wrong, large, got))


def test_what_no_model_can_do_is_refused_by_name(running: Running) -> None:
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]
    with pytest.raises(openai.BadRequestError) as caught:
        running.client().chat.completions.create(model="dari/routing", messages=picture)  # type: ignore[arg-type]
    assert caught.value.code == "no_capable_model"
    assert "vision" in caught.value.message


def test_the_models_are_listed_ours_first(running: Running) -> None:
    client = running.client()
    assert [model.id for model in client.models.list()] == ["dari/routing", "p/good-a", "p/good-b"]
    assert client.models.retrieve("p/good-a").owned_by == "p"
    marked = [model.model_extra for model in client.models.list()]
    assert marked == [{"requestable": True}, {"requestable": False}, {"requestable": False}]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("p/none")
    with pytest.raises(openai.AuthenticationError):
        running.client(key="expired").models.list()


def test_health_and_readiness(running: Running) -> None:
    with running.http(None) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        ready = http.get("/readyz")
        assert ready.status_code == 200
        assert "problems" in ready.json()
        hidden = http.get("/readyz", headers={"host": "example.com"})
        assert "problems" not in hidden.json()
        document = http.get("/openapi.json").json()
        assert "/{router_id}/chat/completions" in document["paths"]
        assert "/feedback" in document["paths"]


def test_a_wrong_method_is_told_all_that_the_path_has(running: Running) -> None:
    with running.http("admin") as http:
        for method, path, allowed in (
            ("PUT", "/admin/routers/rtr_good", "DELETE, GET, HEAD, PATCH"),
            ("DELETE", "/admin/routers", "GET, HEAD, POST"),
            ("POST", "/healthz", "GET, HEAD"),
            ("POST", "/docs/assets/swagger-ui.css", "GET, HEAD"),
            ("PATCH", "/rtr_good/chat/completions", "POST"),
        ):
            answer = http.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
            assert answer.json()["error"]["code"] == "method_not_allowed"


def test_the_documentation_needs_nothing_from_outside(running: Running) -> None:
    with running.http(None) as http:
        page = http.get("/docs")
        assert page.status_code == 200
        assert "https://" not in page.text
        assert re.findall(r"<script(?! src=)", page.text) == []
        assert "script-src 'self';" in page.headers["content-security-policy"]
        for asset in re.findall(r'(?:href|src)="(/docs/[^"]+)"', page.text):
            assert http.get(asset).status_code == 200
        assert "/docs/assets/swagger-ui-bundle.js" in page.text
        assert http.get("/docs", headers={"host": "example.com"}).status_code == 401
    with running.http("admin") as http:
        assert http.get("/docs", headers={"host": "example.com"}).status_code == 200
