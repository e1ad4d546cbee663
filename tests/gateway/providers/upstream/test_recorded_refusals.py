"""What real providers say when they refuse, in their own shapes, is read as the recorded table states."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.providers.anthropic.responses import EventReader
from gateway.providers.openai.responses import ChunkReader, read_answer
from gateway.providers.upstream.error_bodies import read_refusal
from gateway.providers.upstream.faults import after_content, refused
from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.providers.upstream.reader import Reader

TABLE: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "recorded" / "refusals.json").read_text("utf-8"))
PROVIDERS = {
    *("OpenAI", "Azure", "Anthropic", "Gemini", "Mistral", "Groq", "OpenRouter", "DeepSeek", "Together", "xAI"),
    *("Ollama", "vLLM", "llama.cpp", "LM Studio", "other"),
}
PARKS = {"spending limit", "wrong key", "unknown model", "wrong place"}
"""The kinds that any request would meet; nothing else parks a model."""


def named(row: dict[str, Any]) -> str:
    return f"{row['provider']}: {row['kind']}, {row['source']}"


def told(row: dict[str, Any]) -> ProviderError | None:
    """The error that the row's bytes are read as; None for an answer."""
    try:
        if row["status"] == 200:
            tell(row)
            return None
    except ProviderError as error:
        return error
    body = row["body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **row.get("headers", {})}
    return refused(read_refusal(row["status"], headers, raw, (), 0.0), row["sent"], row["model"])


def tell(row: dict[str, Any]) -> None:
    """Read an answer, or a stream that must say something before its end."""
    if not row["stream"]:
        read_answer(json.dumps(row["body"]).encode())
        return
    reader: Reader = EventReader() if row["provider"] == "Anthropic" else ChunkReader()
    try:
        for event in row["events"]:
            reader.read((event if isinstance(event, str) else json.dumps(event)).encode())
    except ProviderError as error:
        raise (after_content(error) if reader.alive else error) from error
    if not reader.alive:
        raise ProviderError(Verdict.FAILED, "nothing was said")


@pytest.mark.parametrize("row", TABLE, ids=map(named, TABLE))
def test_a_refusal_means_what_the_provider_means(row: dict[str, Any]) -> None:
    error = told(row)
    if row["verdict"] == "complete":
        assert error is None
        return
    assert error is not None
    assert error.verdict == row["verdict"], error.message
    assert 0 < len(error.message) <= 500
    if error.verdict in {Verdict.UNKNOWN_FIELD, Verdict.REFUSED_VALUE}:
        assert error.param == row.get("field")
    assert error.context_tokens == row.get("limit")
    assert error.retry_after_seconds == pytest.approx(row["retry_after"]) if "retry_after" in row else True
    if error.verdict is Verdict.PARKED:
        assert "check" in error.message or "add credit" in error.message
    if error.verdict in {Verdict.CONTENT, Verdict.REFUSED}:
        assert error.status in {400, 413, 422}


def test_the_table_holds_every_provider_and_only_what_any_request_would_meet_parks() -> None:
    assert len(TABLE) >= 120
    assert {row["provider"] for row in TABLE} == PROVIDERS
    assert {row["verdict"] for row in TABLE} == {*Verdict, "complete"} - {"timeout"}
    assert {row["kind"] for row in TABLE if row["verdict"] == "parked"} == PARKS


@pytest.mark.parametrize(
    "said",
    [
        "Invalid value: 'Incorrect API key provided' is not one of the allowed",
        "Invalid value: 'insufficient_quota' is not one of the allowed",
        "Unknown tool 'You have reached your specified API usage limits'",
        "Could not parse 'the model m-1 does not exist'",
        "Unsupported value: 'This organization has been disabled.'",
        "No such File object: model m-1 does not exist",
        "Bad schema: 'Your account is not active'",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_the_callers_own_words_park_no_model(said: str, status: int) -> None:
    body = {"error": {"message": said, "type": "invalid_request_error", "param": "tools", "code": None}}
    error = refused(read_refusal(status, {}, json.dumps(body).encode(), (), 0.0), ["tools"], "m-1")
    assert error.verdict in {Verdict.REFUSED, Verdict.REFUSED_VALUE}


@pytest.mark.parametrize(
    "said",
    [
        "input length and `max_tokens` exceed context limit: 1500 + 199000 > 200000",
        "Invalid value: 'maximum context length is 1000'",
        "the context length was exceeded by 12345 tokens",
        "max_tokens 8192 exceeds the context window minus the prompt of 4000 tokens",
    ],
)
def test_no_context_length_is_read_from_a_sum_or_from_other_words(said: str) -> None:
    body = json.dumps({"error": {"message": said, "code": "context_length_exceeded"}}).encode()
    error = refused(read_refusal(400, {}, body, (), 0.0), ["messages"])
    assert (error.verdict, error.context_tokens) == (Verdict.TOO_LONG, None)
