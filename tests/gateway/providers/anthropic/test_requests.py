"""Requests as Anthropic takes them, with the official client's types as the judge of what is sent."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Ending
from gateway.providers.anthropic.requests import DEFAULT_MAX_TOKENS, JSON_TOOL, translate
from gateway.providers.upstream.provider import ProviderError
from tests.support.anthropic_requests import CALLED, HI, TOOL, sent


def test_a_request_has_the_system_apart_and_a_limit() -> None:
    body = sent(messages=[{"role": "system", "content": "Be brief"}, {"role": "developer", "content": "Be kind"}, *HI])
    assert body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "system": [{"type": "text", "text": "Be brief"}, {"type": "text", "text": "Be kind"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_limits_stops_users_and_effort_are_translated() -> None:
    body = sent(max_tokens=9, stop=["END", " "], user="u1", reasoning_effort="minimal", metadata={"task": "x"}, n=1)
    assert body["max_tokens"] == 9
    assert body["stop_sequences"] == ["END"]
    assert body["metadata"] == {"user_id": "u1"}
    assert body["output_config"] == {"effort": "low"}
    assert sent(max_completion_tokens=7, max_tokens=9)["max_tokens"] == 7
    assert sent(stop="END")["stop_sequences"] == ["END"]


@pytest.mark.parametrize(
    ("effort", "translated"), [("none", "low"), ("low", "low"), ("xhigh", "xhigh"), ("max", "max"), ("odd", "high")]
)
def test_an_effort_is_one_that_the_api_knows(effort: str, translated: str) -> None:
    assert sent(reasoning_effort=effort)["output_config"] == {"effort": translated}


@pytest.mark.parametrize(
    ("model", "translated"),
    [
        ("claude-3-5-sonnet-latest", {}),
        ("claude-3-7-sonnet-20250219", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-opus-4-1-20250805", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-haiku-4-5-20251001", {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        ("claude-opus-4-5", {"output_config": {"effort": "high"}}),
        ("claude-sonnet-4-6", {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}}),
        ("claude-opus-4-7", {"output_config": {"effort": "xhigh"}, "thinking": {"type": "adaptive"}}),
        ("claude-sonnet-5", {"output_config": {"effort": "xhigh"}}),
        ("claude-haiku-5-5", {"output_config": {"effort": "xhigh"}}),
        ("somebody-elses-model", {}),
    ],
)
def test_how_much_to_think_is_said_as_the_model_takes_it(model: str, translated: dict[str, Any]) -> None:
    body = sent(model, reasoning_effort="xhigh")
    assert {key: body[key] for key in ("output_config", "thinking") if key in body} == translated


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [("low", 100_000, 2_048), ("medium", 100_000, 8_192), ("high", 100_000, 16_384), ("high", 6_000, 3_000)],
)
def test_a_budget_leaves_half_of_the_answer_to_what_is_said(effort: str, max_tokens: int, budget: int) -> None:
    body = sent("claude-sonnet-4-5", reasoning_effort=effort, max_tokens=max_tokens, temperature=0.5, top_p=0.5)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "temperature" not in body  # thinking wants the default
    assert "top_p" not in body


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "none"},
        {"reasoning_effort": "minimal"},
        {"max_tokens": 2_000},
        {"tools": [TOOL], "tool_choice": "required"},
        {"messages": [*HI, CALLED, {"role": "tool", "tool_call_id": "c", "content": "sunny"}]},
        {"messages": [*HI, {"role": "assistant", "content": "It is"}]},
    ],
)
def test_a_budget_is_not_sent_where_it_is_refused(fields: dict[str, Any]) -> None:
    assert "thinking" not in sent("claude-sonnet-4-5", **{"reasoning_effort": "high", **fields})


def test_thinking_and_other_fields_of_the_api_itself_are_sent_as_they_are() -> None:
    thinking, mark = {"type": "enabled", "budget_tokens": 2_000}, {"type": "ephemeral", "ttl": "1h"}
    body = sent("claude-sonnet-4-5", thinking=thinking, cache_control=mark, top_k=5, reasoning_effort="high")
    assert (body["thinking"], body["cache_control"], body["top_k"]) == (thinking, mark, 5)


def test_a_limit_above_the_models_own_is_its_own() -> None:
    raw = {"messages": msgspec.Raw(json.dumps(HI).encode()), "max_tokens": msgspec.Raw(b"200000")}
    assert translate("claude-haiku-4-5", raw, 64_000)[0]["max_tokens"] == 64_000
    assert translate("claude-haiku-4-5", raw, None)[0]["max_tokens"] == 200_000


@pytest.mark.parametrize(("user", "metadata"), [("me@example.com", None), ("u" * 300, {"user_id": "u" * 256})])
def test_a_users_id_is_one_that_the_api_takes(user: str, metadata: dict[str, str] | None) -> None:
    assert sent(user=user).get("metadata") == metadata


@pytest.mark.parametrize(
    "model", ["claude-sonnet-5-5", "claude-opus-4-7", "claude-haiku-5-5", "claude-fable-5-2", "new"]
)
def test_models_that_refuse_sampling_parameters_are_not_sent_any(model: str) -> None:
    assert sent(model, temperature=0.5, top_p=0.9).keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-opus-4-20250514", "claude-3-7-sonnet"]
)
def test_older_models_get_one_sampling_parameter_in_their_range(model: str) -> None:
    body = sent(model, temperature=1.7, top_p=0.9)
    assert (body["temperature"], "top_p" in body) == (1.0, False)
    assert sent(model, top_p=0.9)["top_p"] == 0.9


@pytest.mark.parametrize(("model", "taken"), [("claude-sonnet-4-5", True), ("claude-sonnet-4-6", False), ("new", True)])
def test_an_answer_is_begun_for_models_that_go_on_from_it(model: str, taken: bool) -> None:
    messages = [*HI, {"role": "assistant", "content": "It is "}]
    if taken:
        assert sent(model, messages=messages)["messages"][-1]["content"] == [{"type": "text", "text": "It is"}]
        return
    with pytest.raises(ProviderError, match="the user has to speak last"):
        sent(model, messages=messages)


SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}, "name": {"type": "string", "format": "email"}},
    "required": ["age"],
}


def asked(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}


def test_a_schema_goes_to_the_providers_own_structured_output_where_it_can_be_said() -> None:
    assert sent(response_format=asked(SCHEMA))["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "age": {"type": "integer", "description": '{"minimum":0}'},
                    "name": {"type": "string", "format": "email"},
                },
                "required": ["age"],
            },
        }
    }


def test_another_schema_goes_through_a_tool_that_must_be_called() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    body = sent("claude-sonnet-5", response_format=asked(schema))
    assert body["tool_choice"] == {"type": "tool", "name": JSON_TOOL}
    assert body["tools"][0]["input_schema"] == schema
    for model, more in (("claude-sonnet-5", {"tools": [TOOL]}), ("claude-sonnet-5-5", {})):
        with pytest.raises(ProviderError) as told:
            sent(model, response_format=asked(schema), **more)
        assert told.value.param == "response_format"


def test_models_without_structured_output_give_their_json_through_a_tool() -> None:
    body = sent("claude-3-5-sonnet-latest", response_format=asked(SCHEMA))
    assert (body["tools"][0]["name"], "output_config" in body) == (JSON_TOOL, False)


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    assert "JSON object" in sent(response_format={"type": "json_object"})["system"][0]["text"]
    assert "system" not in sent(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"seed": 1}, "seed"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, None),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, None),
        ({"messages": [{"role": "narrator", "content": "x"}]}, None),
        (
            {
                "messages": [
                    *HI,
                    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "["}}]},
                ]
            },
            None,
        ),
    ],
)
def test_what_has_no_counterpart_is_another_models_turn(fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(ProviderError) as told:
        sent(**fields)
    assert told.value.ending is Ending.INCAPABLE
    assert told.value.param == param


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "function", "name", "arguments", "json_schema", "schema", "text"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


NAMES = ["messages", "tools", "tool_choice", "response_format", "reasoning_effort", "stop", "user", "n", "temperature"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=4))
def test_no_shape_of_a_request_breaks_the_translation(fields: dict[str, Any]) -> None:
    try:
        translate("claude-3-opus", {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()})
    except ProviderError as error:
        told = error
    else:
        return
    assert told.ending is Ending.INCAPABLE
