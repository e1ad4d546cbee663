"""What providers say when they refuse, in their own shapes; whose fault it is; that no message holds a secret."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Ending
from gateway.providers.upstream.error_bodies import read_refusal, redact, retry_after_seconds
from gateway.providers.upstream.faults import refused

SENT = ("model", "messages", "seed", "temperature", "tools", "max_tokens", "response_format", "logprobs", "foo")


def openai(message: str, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error") -> Any:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def anthropic(kind: str, message: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


CASES: list[tuple[str, int, Any, Ending, str | None]] = [
    # (what, status, body, ending, param)
    (
        "OpenAI key",
        401,
        openai("Incorrect API key provided: sk-abc***def", "invalid_api_key"),
        Ending.MISCONFIGURED,
        None,
    ),
    (
        "xAI key",
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xai-1234abcd"},
        Ending.MISCONFIGURED,
        None,
    ),
    (
        "Gemini key",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                    "details": [{"reason": "API_KEY_INVALID"}],
                }
            }
        ],
        Ending.MISCONFIGURED,
        None,
    ),
    ("Anthropic key", 401, anthropic("authentication_error", "invalid x-api-key"), Ending.MISCONFIGURED, None),
    ("OpenAI quota", 429, openai("You exceeded your current quota", "insufficient_quota"), Ending.MISCONFIGURED, None),
    (
        "Anthropic credit",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access"),
        Ending.MISCONFIGURED,
        None,
    ),
    ("DeepSeek balance", 402, openai("Insufficient Balance"), Ending.MISCONFIGURED, None),
    ("OpenAI model", 404, openai("The model `x` does not exist", "model_not_found"), Ending.MISCONFIGURED, None),
    (
        "Groq old model",
        400,
        openai("The model has been decommissioned", "model_decommissioned"),
        Ending.MISCONFIGURED,
        None,
    ),
    (
        "Mistral model",
        400,
        {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
        Ending.MISCONFIGURED,
        None,
    ),
    (
        "OpenRouter model",
        400,
        {"error": {"message": "x is not a valid model ID", "code": 400}},
        Ending.MISCONFIGURED,
        None,
    ),
    (
        "OpenAI bad model",
        400,
        openai("you must provide a model parameter", None, "model"),
        Ending.MISCONFIGURED,
        "model",
    ),
    ("Azure deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "…"}}, Ending.MISCONFIGURED, None),
    (
        "Ollama model",
        404,
        {"error": {"message": 'model "x" not found, try pulling it first'}},
        Ending.MISCONFIGURED,
        None,
    ),
    (
        "OpenRouter moderation",
        403,
        {"error": {"code": 403, "message": "Your input was flagged", "metadata": {}}},
        Ending.REJECTED,
        None,
    ),
    (
        "OpenAI parameter",
        400,
        openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "unsupported_parameter",
            "max_tokens",
        ),
        Ending.INCAPABLE,
        "max_tokens",
    ),
    (
        "OpenAI value",
        400,
        openai(
            "Unsupported value: 'temperature' does not support 0.2 with this model.", "unsupported_value", "temperature"
        ),
        Ending.INCAPABLE,
        "temperature",
    ),
    ("OpenAI unknown", 400, openai("Unrecognized request argument supplied: foo"), Ending.INCAPABLE, "foo"),
    ("Groq property", 400, openai("property 'logprobs' is unsupported"), Ending.INCAPABLE, "logprobs"),
    ("Groq inner property", 400, openai("property 'messages.0.name' is unsupported"), Ending.INCAPABLE, None),
    (
        "Mistral extra",
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        Ending.INCAPABLE,
        "seed",
    ),
    (
        "Anthropic extra",
        400,
        anthropic("invalid_request_error", "temperature: Extra inputs are not permitted"),
        Ending.INCAPABLE,
        "temperature",
    ),
    (
        "Anthropic deprecated",
        400,
        anthropic("invalid_request_error", "`temperature` is deprecated for this model."),
        Ending.INCAPABLE,
        "temperature",
    ),
    (
        "Gemini unknown",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        Ending.INCAPABLE,
        "seed",
    ),
    (
        "Ollama tools",
        400,
        {"error": {"message": "registry.ollama.ai/library/x does not support tools"}},
        Ending.INCAPABLE,
        "tools",
    ),
    (
        "OpenRouter tools",
        404,
        {"error": {"message": "No endpoints found that support tool use.", "code": 404}},
        Ending.INCAPABLE,
        None,
    ),
    (
        "Anthropic prefill",
        400,
        anthropic("invalid_request_error", "This model does not support assistant message prefill."),
        Ending.INCAPABLE,
        None,
    ),
    (
        "OpenAI context",
        400,
        openai("This model's maximum context length is 8192 tokens.", "context_length_exceeded", "messages"),
        Ending.INCAPABLE,
        None,
    ),
    (
        "Anthropic context",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        Ending.INCAPABLE,
        None,
    ),
    (
        "llama.cpp context",
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
        Ending.INCAPABLE,
        None,
    ),
    (
        "Groq size",
        413,
        openai("Request too large for model `x` in organization", "rate_limit_exceeded"),
        Ending.INCAPABLE,
        None,
    ),
    ("Groq bad JSON", 400, openai("Failed to generate JSON", "json_validate_failed"), Ending.FAILED, None),
    (
        "caller's field",
        400,
        openai("Invalid type for 'seed': expected an integer", "invalid_type", "seed"),
        Ending.REJECTED,
        "seed",
    ),
    ("caller's image", 400, openai("Invalid image URL", "invalid_image_url"), Ending.REJECTED, None),
    ("Azure filter", 400, openai("The response was filtered", "content_filter", "prompt"), Ending.REJECTED, "prompt"),
    ("too large", 413, anthropic("request_too_large", "Request exceeds the maximum size"), Ending.REJECTED, None),
    (
        "FastAPI",
        422,
        {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
        Ending.REJECTED,
        "messages",
    ),
    ("limit", 429, openai("Rate limit reached", "rate_limit_exceeded"), Ending.RATE_LIMITED, None),
    ("overload", 529, anthropic("overloaded_error", "Overloaded"), Ending.FAILED, None),
    (
        "loading",
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        Ending.FAILED,
        None,
    ),
    ("conflict", 409, openai("try again"), Ending.FAILED, None),
    ("web page", 502, "<html>Bad gateway</html>", Ending.FAILED, None),
    ("no body", 500, "", Ending.FAILED, None),
]


@pytest.mark.parametrize(("status", "body", "ending", "param"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_refusal_means_what_the_provider_means(status: int, body: Any, ending: Ending, param: str | None) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = {"content-type": "text/html" if raw.startswith(b"<") else "application/json"}
    error = refused(read_refusal(status, kind, raw, (), 0.0), SENT)
    assert error.ending is ending, error.message
    assert error.param == param
    assert 0 < len(error.message) <= 500
    if ending is Ending.MISCONFIGURED:
        assert "check" in error.message or "add credit" in error.message
    if ending is Ending.REJECTED:
        assert error.status in {400, 413, 422}


def test_the_callers_own_words_cannot_park_a_model() -> None:
    said = openai("Invalid value: 'Incorrect API key provided' is not one of the allowed", None, "tool_choice")
    assert refused(read_refusal(400, {}, json.dumps(said).encode(), (), 0.0), SENT).ending is Ending.REJECTED


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_body_is_read(body: bytes, status: int) -> None:
    error = refused(read_refusal(status, {}, body, (), 0.0), SENT)
    assert 0 < len(error.message) <= 500


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "param", "detail", "loc"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON, st.integers(300, 599))
def test_any_json_is_read(body: Any, status: int) -> None:
    error = refused(read_refusal(status, {}, json.dumps(body).encode(), (), 0.0), SENT)
    assert 0 < len(error.message) <= 500


KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@given(KEYS, st.text(max_size=600), st.text(max_size=600))
def test_no_message_holds_a_key(key: str, before: str, after: str) -> None:
    assert key not in redact(before + key + after, (key,)).replace("[redacted]", "")
    assert len(redact(before + key + after, (key,))) <= 500


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef0123456789",
        "authorization: Basic dXNlcjpwYXNz",
        'headers {"x-api-key": "abcdef0123456789"}',
        "api_key=abcdef0123456789",
        "sk-proj-abcdef0123456789",
        "http://user:abcdef0123456789@proxy:3128/",
        "AIzaSyabcdef0123456789",
        "gsk_abcdef0123456789",
    ],
)
def test_what_looks_like_a_key_is_left_out(text: str) -> None:
    said = redact(f"could not call: {text} was refused")
    assert "abcdef0123456789" not in said
    assert "dXNlcjpwYXNz" not in said
    assert said.startswith("could not call: ")
    assert said.endswith(" was refused")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1e99"}, 3600.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, wall_time=60.0) == seconds
