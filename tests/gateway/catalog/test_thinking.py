"""Levels of thinking: every family of models, and what is sent to its provider for each level."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateway.catalog.facts import SHIPPED, read_facts
from gateway.catalog.thinking import FAMILIES, MESSAGES_API, Fields, Levels, efforts, in_order, levels_of
from gateway.catalog.tiers import tiers_of
from gateway.providers.build import build_providers
from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Call
from gateway.settings import ProviderSettings
from gateway.settings.variant_options import LEVELS, THINKING_FIELDS, TIER_FIELDS
from tests.support.anthropic_messages import message
from tests.support.anthropic_requests import sent as sent_to_anthropic
from tests.support.asgi import read_body
from tests.support.scripted_provider import completion
from tests.support.threads import serve_app

EFFORTS = ("low", "medium", "high")
TO_MAX = (*EFFORTS, "xhigh", "max")
ON: dict[str, Any] = {"thinking": {"type": "enabled"}}
OFF: dict[str, Any] = {"thinking": {"type": "disabled"}}
ADAPTIVE: dict[str, Any] = {"thinking": {"type": "adaptive"}}
TEMPLATE = "chat_template_kwargs"


def effort(*levels: str) -> dict[str, Fields]:
    return dict(efforts(*levels))


def routed(*levels: str) -> dict[str, Fields]:
    return {level: {"reasoning": {"effort": "none" if level == "off" else level}} for level in levels}


def with_effort(*levels: str) -> dict[str, Fields]:
    return {level: {**ON, "reasoning_effort": level} for level in levels}


QWEN: dict[str, Fields] = {"off": {"enable_thinking": False}, "on": {"enable_thinking": True}}
BUDGETS = {"low": 1_024, "medium": 8_192, "high": 24_576}
QWEN_BUDGETS: dict[str, Fields] = {
    level: {"enable_thinking": True, "thinking_budget": tokens} for level, tokens in BUDGETS.items()
}

OPENAI: list[tuple[str, str, Levels]] = [
    ("openai", "gpt-4.1", {}),
    ("openai", "gpt-5.2-chat-latest", {}),
    ("openai", "gpt-5-pro", effort("high")),
    ("openai", "gpt-5-mini-2025-08-07", effort("minimal", *EFFORTS)),
    ("openai", "gpt-5.1-codex-max", effort(*EFFORTS, "xhigh")),
    ("openai", "gpt-5.1-codex-mini", effort(*EFFORTS)),
    ("openai", "gpt-5.1", effort("off", *EFFORTS)),
    ("openai", "gpt-5.3-codex", effort(*EFFORTS, "xhigh")),
    ("openai", "gpt-5.4-pro", effort("medium", "high", "xhigh")),
    ("openai", "gpt-5.5", effort("off", *EFFORTS, "xhigh")),
    ("openai", "gpt-6.1-sol", effort("off", *TO_MAX)),
    ("azure", "gpt-5.6-terra", effort("off", *TO_MAX)),
    ("openai", "o4-mini", effort(*EFFORTS)),
    ("google", "gemini-3-pro-image", {}),
    ("google", "gemini-2.5-pro", effort(*EFFORTS)),
    ("google", "gemini-2.5-flash-lite", effort("off", *EFFORTS)),
    ("google", "gemini-3-pro-preview", effort("low", "high")),
    ("google-vertex", "google/gemini-3.5-flash-lite", effort("minimal", *EFFORTS)),
    ("google", "gemini-4-argon", effort(*EFFORTS)),
    ("google", "gemini-3.8-flash", effort(*EFFORTS)),
    ("openrouter", "openai/gpt-6-luna", routed("off", *TO_MAX)),
    ("openrouter", "anthropic/claude-sonnet-5.5", routed(*TO_MAX)),
    ("openrouter", "moonshotai/kimi-k2.6", {**routed("off"), "on": {"reasoning": {"enabled": True}}}),
    ("deepseek", "deepseek-v4-pro", {"off": OFF, **with_effort("low", "high", "max")}),
    ("deepseek", "deepseek-reasoner", {}),
    ("alibaba", "qwen3-coder-plus", {}),
    ("alibaba", "qwq-plus", {level: {"thinking_budget": tokens} for level, tokens in BUDGETS.items()}),
    ("alibaba", "qwen3.7-max", {**QWEN, **QWEN_BUDGETS}),
    ("alibaba", "glm-5.2", QWEN),
    ("zai", "glm-5.3", with_effort("low", "high", "max")),
    ("zai", "glm-5.2", {"off": OFF, **with_effort("high", "max")}),
    ("zai", "glm-4.7", {"off": OFF, "on": ON}),
    ("moonshotai", "kimi-k3", effort("low", "high", "max")),
    ("moonshotai", "kimi-k2.6", {"off": OFF, "on": ON}),
    ("moonshotai", "kimi-k2-thinking", {}),
    ("minimax", "minimax-m3", {"off": OFF, "on": ADAPTIVE}),
    ("xai", "grok-3-mini", effort("low", "high")),
    ("xai", "grok-4.20-multi-agent-0309", effort(*EFFORTS, "xhigh")),
    ("xai", "grok-4.3", effort("off", *EFFORTS)),
    ("mistral", "mistral-small-latest", effort("off", "high")),
    ("mistral", "mistral-large-4-0", effort(*EFFORTS)),
    ("groq", "qwen/qwen3.6-27b", {**effort("off"), "on": {"reasoning_effort": "default"}}),
    ("groq", "openai/gpt-oss-120b", effort(*EFFORTS)),
    ("ollama-cloud", "gpt-oss:20b-cloud", effort(*EFFORTS)),
    ("ollama", "qwen3:8b", effort("off", *EFFORTS)),
    ("", "qwen3-8b", {"off": {TEMPLATE: {"enable_thinking": False}}, "on": {TEMPLATE: {"enable_thinking": True}}}),
    ("", "qwen3-coder-30b", {}),
    ("", "llama-3.3-70b", {}),
]
"""Vendor, model, and what is sent for each level to providers of the kind `openai`."""

ANTHROPIC: list[tuple[str, dict[str, dict[str, Any]]]] = [
    ("claude-3-7-sonnet-20250219", {"off": OFF, "high": {"thinking": {"type": "enabled", "budget_tokens": 8_192}}}),
    ("claude-haiku-4-5", {"off": OFF, "low": {"thinking": {"type": "enabled", "budget_tokens": 2_048}}}),
    ("claude-sonnet-4-20250514", {"medium": {"thinking": {"type": "enabled", "budget_tokens": 8_192}}}),
    ("claude-opus-4-5", {"off": OFF, "high": {"output_config": {"effort": "high"}}}),
    ("claude-opus-4-6", {"off": OFF, "max": {"output_config": {"effort": "max"}, **ADAPTIVE}}),
    ("claude-opus-4-8", {"off": OFF, "xhigh": {"output_config": {"effort": "xhigh"}, **ADAPTIVE}}),
    ("claude-sonnet-5", {"off": OFF, "low": {"output_config": {"effort": "low"}}}),
    ("claude-haiku-5-5", {"off": OFF, "max": {"output_config": {"effort": "max"}}}),
    ("claude-opus-5-5", {"low": {"output_config": {"effort": "low"}}, "max": {"output_config": {"effort": "max"}}}),
]
"""A model of each generation, and some of its levels, with what the Messages API is sent for them."""


@pytest.fixture(scope="module")
def received() -> Iterator[tuple[str, list[tuple[dict[str, Any], dict[bytes, bytes]]]]]:
    bodies: list[tuple[dict[str, Any], dict[bytes, bytes]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body = json.loads(await read_body(receive))
        bodies.append((body, dict(scope["headers"])))
        told = message({"type": "text", "text": "Hi"}) if "messages" in scope["path"] else b""
        answer = told or json.dumps(completion(body["model"])).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    with serve_app(app) as url:
        yield url, bodies


async def call(client: HttpClient, url: str, kind: str, model: str, fields: Fields) -> None:
    """Send these fields as an adapter of this kind does."""
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    messages = msgspec.Raw(b'[{"role":"user","content":"Hi"}]')
    provider = build_providers({"p": ProviderSettings("p", kind, f"{url}/v1")}, client, None)["p"]
    await provider.complete(Call(model, {"messages": messages, **raw}, deadline=float("inf"), silence_seconds=30))


@pytest.mark.parametrize(("vendor", "model", "levels"), OPENAI, ids=[f"{row[0]}-{row[1]}" for row in OPENAI])
def test_each_family_has_its_levels(vendor: str, model: str, levels: Levels) -> None:
    assert levels_of(vendor, "openai", model, reasons=None) == levels
    assert levels_of(vendor, "openai", model, reasons=False) == {}


async def test_each_level_reaches_the_provider_as_the_table_has_it(received: Any, client: HttpClient) -> None:
    url, bodies = received
    for _, model, levels in OPENAI:
        for fields in levels.values():
            await call(client, url, "openai", model, fields)
            body, _ = bodies[-1]
            assert {name: body.get(name) for name in THINKING_FIELDS if name in body} == fields, model


@pytest.mark.parametrize(("model", "levels"), ANTHROPIC, ids=[row[0] for row in ANTHROPIC])
def test_the_messages_api_is_sent_an_effort_or_a_budget(model: str, levels: dict[str, dict[str, Any]]) -> None:
    known = levels_of("anthropic", "anthropic", model, reasons=True)
    for level, told in levels.items():
        body = sent_to_anthropic(model, **dict(known[level]))
        assert {name: body[name] for name in ("thinking", "output_config") if name in body} == told, level


def test_no_level_of_a_claude_model_is_turned_into_another_one() -> None:
    for name in ("claude-opus-4-5", "claude-sonnet-4-6", "claude-opus-4-7", "claude-sonnet-5-5", "claude-haiku-5-5"):
        for level, fields in levels_of("anthropic", "anthropic", name, reasons=True).items():
            if level != "off":
                assert sent_to_anthropic(name, **dict(fields))["output_config"]["effort"] == level


def test_every_row_of_the_table_has_an_example_here() -> None:
    names = {(vendor, model) for vendor, model, _ in OPENAI} | {(MESSAGES_API, model) for model, _ in ANTHROPIC}
    assert {family.vendor for family in FAMILIES} <= {vendor for vendor, _ in names} | {"*"}
    for family in FAMILIES:
        own = [levels for vendor, model, levels in OPENAI if levels == family.levels or family.vendor == MESSAGES_API]
        assert own, family
        assert list(family.levels) == in_order(family.levels) or "on" in family.levels
        assert {name for fields in family.levels.values() for name in fields} <= THINKING_FIELDS
        assert family.levels.keys() <= set(LEVELS)


def test_models_that_are_known_not_to_think_have_no_levels_and_most_thinkers_have_some() -> None:
    facts = read_facts(SHIPPED)
    own = ("openai", "anthropic", "google", "deepseek", "zai", "moonshotai", "xai", "alibaba")
    thinkers = without = 0
    for vendor in own:
        for name, each in facts.providers[vendor].items():
            kind = "anthropic" if vendor == "anthropic" else "openai"
            levels = levels_of(vendor, kind, name, reasons=each.reasoning)
            assert each.reasoning or not levels, name
            thinkers += each.reasoning
            without += each.reasoning and not levels
    assert without < thinkers / 4, (without, thinkers)


async def test_a_tier_is_a_field_and_fast_mode_has_its_header(received: Any, client: HttpClient) -> None:
    assert tiers_of("openai", "openai", "gpt-6.1-sol", ()) == {
        "flex": {"service_tier": "flex"},
        "priority": {"service_tier": "priority"},
    }
    assert tiers_of("", "openai", "mine", ["night"]) == {"night": {"service_tier": "night"}}
    assert tiers_of("anthropic", "anthropic", "claude-haiku-5-5", ()) == {}
    fast = tiers_of("anthropic", "anthropic", "claude-opus-5-5", ())
    assert fast == {"fast": {"speed": "fast"}}
    url, bodies = received
    await call(client, url, "anthropic", "claude-opus-5-5", fast["fast"])
    body, headers = bodies[-1]
    assert body["speed"] == "fast"
    assert headers[b"anthropic-beta"] == b"fast-mode-2026-02-01"
    await call(client, url, "openai", "gpt-6.1-sol", {"service_tier": "flex"})
    assert {name: bodies[-1][0][name] for name in TIER_FIELDS & bodies[-1][0].keys()} == {"service_tier": "flex"}
