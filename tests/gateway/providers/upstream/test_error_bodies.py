"""Error bodies: any body is read, no message holds a secret, and waits are read wherever they are stated."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.upstream.error_bodies import read_refusal, redact, retry_after_seconds
from gateway.providers.upstream.faults import refused

SENT = ("model", "messages", "seed", "temperature", "tools", "max_tokens", "response_format", "logprobs", "foo")


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
    "said",
    [
        "the key zU+7/dGk0aQ=tail was refused",
        "GET https://x/?key=zU%2B7%2FdGk0aQ%3Dtail failed",
        "the key ending in 7/dGk0aQ was refused",
    ],
)
def test_a_part_of_a_key_and_its_percent_encoding_are_left_out(said: str) -> None:
    shown = redact(said, ("zU+7/dGk0aQ=tail",))
    assert "[redacted]" in shown
    assert "dGk0aQ" not in shown
    assert "0aQ%3Dtail" not in shown


def test_the_named_field_is_short_and_holds_no_key() -> None:
    for param in ("abcdef0123456789", "p" * 20_000):
        body = json.dumps({"error": {"message": "bad", "param": param}}).encode()
        field = read_refusal(400, {}, body, ("abcdef0123456789",), 0.0).field
        assert field is not None
        assert "abcdef" not in field
        assert len(field) <= 80


@pytest.mark.parametrize("detail", [b'"code": 1e999', b'"code": ' + b"9" * 400, b'"hint": "\\ud800"', b'"code": NaN'])
def test_a_detail_that_is_no_proper_json_costs_nothing_of_an_error(detail: bytes) -> None:
    refusal = read_refusal(400, {}, b'{"error": {"message": "bad seed", "param": "seed", ' + detail + b"}}", (), 0.0)
    assert (refusal.message, refusal.field) == ("bad seed", "seed")


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


def limited(message: str = "slow down", *details: object, **headers: str) -> float | None:
    body = {"error": {"message": message, "details": details}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    seconds = read_refusal(429, named, json.dumps(body).encode(), (), 1_000.0).retry_after_seconds
    return None if seconds is None else round(seconds, 6)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 9m38.016s. Need more tokens?", 578.016),
        ("Please try again in 250ms.", 0.25),
        ("Please retry after 41 seconds.", 41.0),
        ("Rate limit is exceeded. Try again in 2 seconds.", 2.0),
        ("Please retry in 58.217843437s.", 58.217843),
        ("try again in 1 hour and 3 minutes", 3600.0),
        ("try again in 7 minutes", 420.0),
        ("try again later, in 7 places", None),
        ("retry in a moment", None),
    ],
)
def test_a_wait_is_read_from_the_message(message: str, seconds: float | None) -> None:
    assert limited(message) == seconds


def test_a_wait_is_read_from_the_limits_that_are_used_up() -> None:
    assert limited(x_ratelimit_reset_tokens="6m0s", x_ratelimit_remaining_tokens="0") == 360.0
    assert limited(x_ratelimit_reset_tokens="6m0s", x_ratelimit_remaining_tokens="12") is None
    assert limited(x_ratelimit_reset_requests="12ms", x_ratelimit_remaining_requests="0") == 0.012
    assert limited(x_ratelimit_reset="1007", x_ratelimit_remaining="0") == 1007.0
    assert limited(x_ratelimit_reset="1760000000007", x_ratelimit_remaining="0") == 3600.0
    assert limited(x_ratelimit_reset="soon", x_ratelimit_remaining="0") is None


def test_a_header_comes_before_retry_info_and_that_before_words() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27s"}
    assert limited("try again in 3s", info) == 27.0
    assert limited("try again in 3s", info, retry_after="5") == 5.0
