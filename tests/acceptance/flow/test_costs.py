"""What an answer costs: as the provider bills it, told to the client and kept in the ledger."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.asgi import read_body
from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import completion
from tests.support.threads import App, serve_app

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
RATES = (
    "input_usd_per_million = 1.0\ncached_input_usd_per_million = 0.1\noutput_usd_per_million = 10.0\n"
    "context_window = 1000\n"
)


def counted(prompt: Any, completion: Any, total: Any = None, **more: Any) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more}}


ANSWERS: dict[str, dict[str, Any]] = {
    "plain": counted(100, 10),
    "beside": counted(100, 10, 2110, prompt_tokens_details={"cached_tokens": 2000}),
    "stated": counted(100, 10, cost=0.0123, cost_details={"upstream_inference_cost": None}),
    "flex": counted(100, 10) | {"service_tier": "flex"},
    "floats": counted(100.0, 10.0, 110.0),
    "cached": counted(1000, 10, 1010, cached_tokens=900),
    "many": counted(9_000, 2_000),
    "overflow": counted(100, 2**63),
    "negative": counted(100, -10),
    "nan": counted(float("nan"), 10),
    "dear": counted(100, 10, cost=1e12),
    "none": {},
    "gpt-6.1-terra": counted(10032, 1, 10033, prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 10017}),
    "gpt-4o-audio-preview": counted(17, 592, 609, completion_tokens_details={"text_tokens": 110, "audio_tokens": 482}),
}
CLAUDE = {
    "claude-sonnet-4-5": {"input_tokens": 3, "output_tokens": 5, "cache_creation_input_tokens": 10000},
    "claude-haiku-5-5": {"input_tokens": 150000, "output_tokens": 1000},
}
COSTS = {
    "p/plain": 0.0002,
    "p/beside": 0.0004,
    "p/stated": 0.0123,
    "p/flex": 0.0001,
    "p/floats": 0.0002,
    "p/cached": 0.00029,
    "openai/gpt-6.1-terra": 0.01254125,
    "openai/gpt-4o-audio-preview": 0.0397025,
    "anthropic/claude-sonnet-4-5": 0.037584,
    "anthropic/claude-haiku-5-5": 0.0775,
}
"""What the providers' own bills say of these answers."""


async def provider(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    request = json.loads(await read_body(receive))
    model = request["model"]
    if model in CLAUDE:
        content = [{"type": "text", "text": "Hello!"}]
        answer = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": CLAUDE[model]}
        parts, kind = [json.dumps(answer)], b"application/json"
    elif request.get("stream"):
        parts, kind = [f"data: {event}\n\n" for event in streamed(model)], b"text/event-stream"
    else:
        answered = {name: value for name, value in completion(model).items() if name != "usage"}
        parts, kind = [json.dumps(answered | ANSWERS[model])], b"application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    for part in parts:
        await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
    if model == "thinks":  # and thinks, until the client leaves
        while (await receive())["type"] != "http.disconnect":
            pass
    await send({"type": "http.response.body", "body": b""})


def streamed(model: str) -> list[str]:
    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    if model == "breaks":
        broken = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}], "error": {"message": "gone"}}
        return [event({"content": "Hello!"}), json.dumps(broken | counted(100, 10))]
    if model == "thinks":
        return [event({"reasoning_content": "a thought of forty bytes, as it seems so"})]
    if model == "zeros":
        reports = [json.dumps({"choices": []} | counted(*counts)) for counts in ((100, 10, 110), (0, 0, 0))]
        return [event({"content": "Hello!"}), event({}, "stop"), *reports, "[DONE]"]
    last = [json.dumps({"choices": []} | ANSWERS[model])] if ANSWERS[model] else []
    return [event({"content": "Hello!"}), event({}, "stop"), *last, "[DONE]"]


@pytest.fixture(scope="module")
def costly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("costs")
    app: App = provider
    with serve_app(app) as url:
        text = f'database_url = "sqlite:///{directory / "ledger.db"}"\n'
        text += f'[providers.p]\nbase_url = "{url}"\n[providers.openai]\nbase_url = "{url}"\napi_key = "env:KEY"\n'
        text += f'[providers.anthropic]\nbase_url = "{url}"\napi_key = "env:KEY"\n'
        names = [f"p/{name}" for name in ANSWERS if not name.startswith("gpt")] + ["p/thinks", "p/breaks", "p/zeros"]
        for name in names:
            text += f'[models."{name}"]\n{RATES}'
        for name in {*names, *COSTS}:
            text += f'[routers.rtr_{name.rpartition("/")[2].replace(".", "_")}]\nmodels = ["{name}"]\n'
            text += "request_timeout_seconds = 1\n" if name == "p/thinks" else ""
        with run_gateway(text, directory, {"KEY": "sk-1"}) as gateway:
            yield gateway


def router_of(model_id: str) -> str:
    return f"rtr_{model_id.rpartition('/')[2].replace('.', '_')}"


def kept(running: Running, completion_id: str) -> dict[str, Any]:
    with running.http("admin") as http:
        shown: dict[str, Any] = http.get(f"/admin/decisions/{completion_id}").json()
    return shown


@pytest.mark.parametrize("model_id", COSTS)
def test_an_answer_costs_what_its_provider_bills_and_says_so(costly: Running, model_id: str) -> None:
    client = costly.client(router_of(model_id))
    raw = client.chat.completions.with_raw_response.create(model="dari/routing", messages=MESSAGES)
    answer = raw.parse()
    assert float(raw.headers["x-router-cost-usd"]) == pytest.approx(COSTS[model_id])
    assert answer.usage is not None
    assert answer.usage.model_extra is not None
    assert answer.usage.model_extra["cost_usd"] == pytest.approx(COSTS[model_id])
    decision = kept(costly, answer.id)
    assert decision["cost_usd"] == pytest.approx(COSTS[model_id])
    assert not decision["estimated"]
    assert decision["attempts"][0]["cost_stated"] is (model_id == "p/stated")


def test_the_ledger_keeps_what_else_was_billed_apart(costly: Running) -> None:
    answer = costly.client("rtr_gpt-6_1-terra").chat.completions.create(model="dari/routing", messages=MESSAGES)
    assert kept(costly, answer.id)["attempts"][0]["token_details"] == {"cache_write_tokens": 10017}
    answer = costly.client("rtr_plain").chat.completions.create(model="dari/routing", messages=MESSAGES)
    assert kept(costly, answer.id)["attempts"][0]["token_details"] == {}


def test_the_providers_own_figures_stay_beside_the_cost(costly: Running) -> None:
    with costly.http() as http:
        body = {"model": "dari/routing", "messages": MESSAGES}
        usage = http.post("/rtr_floats/chat/completions", json=body).text.replace(" ", "")
    assert '"usage":{"prompt_tokens":100.0,"completion_tokens":10.0,"total_tokens":110.0,"cost_usd":0.0002}' in usage


@pytest.mark.parametrize("model", ["overflow", "negative", "many", "nan"])
def test_counts_that_cant_be_right_are_estimated_and_warned_of(
    costly: Running, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = costly.client(f"rtr_{model}").chat.completions.create(model="dari/routing", messages=MESSAGES)
    outcome = kept(costly, answer.id)
    assert outcome["estimated"]
    assert outcome["completion_tokens"] == 2
    assert 0.0 < outcome["cost_usd"] < 0.0001
    assert f"p/{model} reports what can't be right" in caplog.text


def test_a_stated_cost_that_cant_be_right_is_not_booked(costly: Running, caplog: pytest.LogCaptureFixture) -> None:
    answer = costly.client("rtr_dear").chat.completions.create(model="dari/routing", messages=MESSAGES)
    decision = kept(costly, answer.id)
    assert decision["cost_usd"] == pytest.approx(0.0002)
    assert not decision["estimated"]
    assert not decision["attempts"][0]["cost_stated"]
    assert "cost is 1000000000000.0" in caplog.text


@pytest.mark.parametrize(("model", "cost"), [("plain", 0.0002), ("stated", 0.0123), ("zeros", 0.0002), ("none", None)])
def test_a_stream_tells_its_cost_with_the_usage_that_was_asked_for(
    costly: Running, model: str, cost: float | None
) -> None:
    stream = costly.client(f"rtr_{model}").chat.completions.create(
        model="dari/routing", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    usage = list(stream)[-1].usage
    assert usage is not None
    assert usage.model_extra is not None
    told = usage.model_extra["cost_usd"]
    assert usage.prompt_tokens > 0
    assert told == pytest.approx(cost) if cost else 0.0 < told < 0.0001


def test_a_stream_without_a_wish_for_usage_has_none(costly: Running) -> None:
    stream = costly.client("rtr_plain").chat.completions.create(model="dari/routing", messages=MESSAGES, stream=True)
    assert all(chunk.usage is None for chunk in stream)


def test_an_answer_without_usage_tells_its_cost_in_the_header_alone(costly: Running) -> None:
    raw = costly.client("rtr_none").chat.completions.with_raw_response.create(model="dari/routing", messages=MESSAGES)
    assert raw.parse().usage is None
    assert 0.0 < float(raw.headers["x-router-cost-usd"]) < 0.0001


def test_a_thinking_attempt_that_fell_silent_books_its_tokens(costly: Running) -> None:
    with costly.http() as http:
        body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
        response = http.post("/rtr_thinks/chat/completions", json=body)
    decision = kept(costly, response.headers["x-request-id"])
    (attempt,) = decision["attempts"]
    assert attempt["ending"] == "cut"
    assert attempt["estimated"]
    assert attempt["completion_tokens"] == 10
    assert attempt["cost_usd"] > 10 * 10.0 / 1e6


def test_an_answer_that_broke_off_costs_what_the_provider_counted_until_then(costly: Running) -> None:
    with costly.http() as http:
        body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
        response = http.post("/rtr_breaks/chat/completions", json=body)
    (attempt,) = kept(costly, response.headers["x-request-id"])["attempts"]
    assert attempt["ending"] == "cut"
    assert (attempt["completion_tokens"], attempt["cost_usd"]) == (10, pytest.approx(0.0002))
    assert not attempt["estimated"]
