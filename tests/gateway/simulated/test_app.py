"""The simulated provider, as the real OpenAI client and our own adapter see it."""

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI, InternalServerError, NotFoundError

from bandit.price import Tokens
from gateway.providers.http.client import HttpClient
from gateway.providers.openai.adapter import OpenAIProvider
from gateway.providers.upstream.provider import Call, Usage
from gateway.settings import ProviderSettings
from gateway.simulated import DEFAULT_MODELS, SimulatedApp, SimulatedModel, serve_app, true_quality
from gateway.simulated.answers import IMAGE_TOKENS, instance, words
from gateway.simulated.models import behave
from gateway.tasks.classifier import TASK_NAMES
from tests.support.json_schemas import SCHEMAS

MODELS = {
    "quick": SimulatedModel(completion_tokens=20),
    "slow": SimulatedModel(first_token_seconds=3_600.0, seconds_per_token=3_600.0),
    "dripping": SimulatedModel(seconds_per_token=3_600.0),
    "broken": SimulatedModel(failure_rate=1.0),
}
MESSAGES: Any = [{"role": "user", "content": "Hi"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


@pytest.fixture
def app() -> SimulatedApp:
    return SimulatedApp(MODELS)


@pytest.fixture
async def base_url(app: SimulatedApp) -> AsyncIterator[str]:
    async with serve_app(app) as url:
        yield url


@pytest.fixture
async def real(base_url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client


async def test_an_answer_says_that_it_is_simulated_and_has_usage(real: AsyncOpenAI) -> None:
    answer = await real.chat.completions.create(model="quick", messages=MESSAGES)
    assert (answer.choices[0].message.content or "").startswith("Simulated answer by quick: no real model was asked.")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 20
    short = await real.chat.completions.create(model="quick", messages=MESSAGES, max_tokens=3)
    assert short.choices[0].finish_reason == "length"


async def test_a_stream_says_the_same(real: AsyncOpenAI) -> None:
    stream = await real.chat.completions.create(
        model="quick", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "".join(words("quick", 20))
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_tools_are_called_once_and_schemas_are_filled(real: AsyncOpenAI) -> None:
    answer = await real.chat.completions.create(model="quick", messages=MESSAGES, tools=[TOOL])
    calls: Any = answer.choices[0].message.tool_calls
    assert (calls[0].function.name, json.loads(calls[0].function.arguments)) == ("f", {"a": 1})
    assert answer.choices[0].finish_reason == "tool_calls"
    result: Any = {"role": "tool", "tool_call_id": calls[0].id, "content": "1"}
    said: Any = answer.choices[0].message
    again = await real.chat.completions.create(model="quick", messages=[*MESSAGES, said, result], tools=[TOOL])
    assert again.choices[0].message.content
    asked: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": TOOL["function"]["parameters"]}}
    structured = await real.chat.completions.create(model="quick", messages=MESSAGES, response_format=asked)
    assert json.loads(structured.choices[0].message.content or "") == {"a": 1}


async def test_an_image_counts_as_one_however_large_it_is(real: AsyncOpenAI) -> None:
    async def prompt_tokens(*parts: Any) -> int:
        answer = await real.chat.completions.create(model="quick", messages=[{"role": "user", "content": list(parts)}])
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    text: Any = {"type": "text", "text": "What is this?"}
    images: Any = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * n}} for n in (4, 400_000)
    ]
    without = await prompt_tokens(text)
    small, large = [await prompt_tokens(text, image) for image in images]
    assert small == large
    assert without + IMAGE_TOKENS <= small < without + IMAGE_TOKENS + 30


async def test_errors_have_openais_shape(real: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError, match="there is no model"):
        await real.chat.completions.create(model="none", messages=MESSAGES)
    with pytest.raises(InternalServerError, match="simulated failure"):
        await real.chat.completions.create(model="broken", messages=MESSAGES)
    assert [model.id async for model in await real.models.list()] == list(MODELS)


async def test_our_adapter_reads_it(client: HttpClient, base_url: str, call: Callable[..., Call]) -> None:
    adapter = OpenAIProvider(ProviderSettings("simulated", "openai", base_url), client)
    answer = await adapter.complete(call("quick"))
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert answer.usage == Usage(Tokens(answer.usage.tokens.prompt_tokens, 20))
    chunks = [chunk async for chunks in adapter.stream(call("quick")) for chunk in chunks]
    assert "".join(chunk.text for chunk in chunks) == answer.text


@pytest.mark.parametrize(("model", "stream"), [("slow", False), ("slow", True), ("dripping", True)])
async def test_it_notices_that_its_caller_left(
    model: str, stream: bool, app: SimulatedApp, client: HttpClient, base_url: str, call: Callable[..., Call]
) -> None:
    adapter = OpenAIProvider(ProviderSettings("simulated", "openai", base_url), client)

    async def attempt() -> None:
        if not stream:
            await adapter.complete(call(model))
        async for _ in adapter.stream(call(model)):
            pass

    task = asyncio.create_task(attempt())
    async with asyncio.timeout(60), app.changed:
        await app.changed.wait_for(lambda: app.requests[model])
    task.cancel()
    async with asyncio.timeout(60), app.changed:
        await app.changed.wait_for(lambda: app.left)
    with pytest.raises(asyncio.CancelledError):
        await task


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000))
def test_behaviour_depends_on_the_seed_and_the_number_alone(rate: float, spread: float, number: int) -> None:
    model = SimulatedModel(1.0, 0.1, 50, spread, rate)
    first = behave(model, "m", number, "seed")
    assert first == behave(model, "m", number, "seed")
    assert first.completion_tokens >= 1
    assert 0 < first.first_token_seconds <= 25


def test_failures_and_times_are_as_often_and_as_long_as_said() -> None:
    model = SimulatedModel(1.0, 0.1, 50, spread=0.3, failure_rate=0.2)
    found = [behave(model, "m", number, "seed") for number in range(5_000)]
    assert statistics.fmean(behaviour.fails for behaviour in found) == pytest.approx(0.2, abs=0.02)
    assert statistics.median(behaviour.first_token_seconds for behaviour in found) == pytest.approx(1.0, rel=0.03)
    assert statistics.median(behaviour.completion_tokens for behaviour in found) == pytest.approx(50, rel=0.03)


@given(SCHEMAS)
def test_what_is_made_for_a_schema_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(instance(schema))


def test_no_default_model_is_the_best_at_everything_for_its_price() -> None:
    assert set(DEFAULT_MODELS["swift"].quality) == set(TASK_NAMES)
    assert true_quality("simulated/swift", "chat") > true_quality("sage", "chat") - 0.05
    assert true_quality("sage", "math") > true_quality("steady", "math") + 0.3
    assert true_quality("steady", "extraction") > true_quality("swift", "extraction") + 0.3
    assert true_quality("sage", "a task of one's own") == DEFAULT_MODELS["sage"].usual_quality
    costs = [DEFAULT_MODELS[name].price.cost_usd(100, 100) for name in ("swift", "steady", "sage")]
    assert costs == sorted(costs)
