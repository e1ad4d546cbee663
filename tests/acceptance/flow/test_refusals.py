"""Refusals through a whole gateway: what one caller's request provokes is never held against a model for everybody."""

import json
import logging
from typing import Any

import httpx
import pytest

from bandit.types import Ending
from storage.records import Status
from tests.acceptance.flow.ruled import Rule, Ruled, chunk, refusing, ruled

FILE = [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-abc123"}}]}]
NO_FILE = refusing(404, "No such File object: file-abc123", words="file_id")
NO_VALUE = refusing(
    400,
    "Unsupported value: 'temperature' does not support 0.2.",
    "0\\.2",
    param="temperature",
    code="unsupported_value",
)


def words(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


@pytest.mark.parametrize("status", [400, 403, 404, 410, 413, 422])
def test_a_callers_mistake_is_told_in_the_providers_words_and_leaves_the_model_to_everybody(status: int) -> None:
    refused = refusing(status, "No such File object: file-abc123", words="file_id")
    with ruled({"a": [refused]}) as gateway:
        answer = gateway.ask(messages=FILE)
        assert answer.status_code == (status if status in {413, 422} else 400)
        assert words(answer) == "No such File object: file-abc123"
        assert gateway.ask().status_code == 200


def test_an_unknown_refusal_asks_one_other_model_and_its_answer_counts() -> None:
    with ruled({"a": [NO_FILE], "b": [], "c": []}) as gateway:
        answer = gateway.ask(messages=FILE)
        assert answer.status_code == 200
        tried = gateway.tried(answer)
        assert (tried[0], len(tried)) == ("a", 2)
        assert gateway.view(answer).attempts[0].ending is Ending.REJECTED
        assert "refused it" in answer.json()["dari_routing"]["reason"]


def test_if_two_models_refuse_the_caller_is_told_in_the_first_ones_words_and_no_third_is_asked() -> None:
    others = [refusing(422, "that file again", words="file_id")]
    with ruled({"a": [NO_FILE], "b": others, "c": others}) as gateway:
        answer = gateway.ask(messages=FILE)
        assert (answer.status_code, words(answer)) == (400, "No such File object: file-abc123")
        assert len(gateway.tried(answer)) == 2
        assert gateway.view(answer).outcome.status is Status.REJECTED


def test_a_refusal_is_told_even_if_the_other_model_fails() -> None:
    with ruled({"a": [NO_FILE], "b": [refusing(500, "oops")]}) as gateway:
        answer = gateway.ask(messages=FILE)
        assert (answer.status_code, words(answer)) == (400, "No such File object: file-abc123")


def test_a_model_that_refuses_what_others_answer_cools_down_after_five_different_requests() -> None:
    with ruled({"a": [refusing(400, "odd")], "b": []}) as gateway:
        for number in range(5):
            assert gateway.tried(gateway.ask(seed=number)) == ["a", "b"]
        answer = gateway.ask()
        assert gateway.tried(answer) == ["b"]
        assert "refuses what other models answer" in answer.json()["dari_routing"]["reason"]


def test_one_request_alone_takes_no_model_away() -> None:
    with ruled({"a": [refusing(400, "odd", words="seed")], "b": []}) as gateway:
        for _ in range(12):
            assert gateway.tried(gateway.ask(seed=1)) == ["a", "b"]
        assert gateway.tried(gateway.ask()) == ["a"]


@pytest.mark.parametrize(
    "refusal",
    [
        refusing(400, "your prompt was flagged as potentially violating our usage policy", code="invalid_prompt"),
        refusing(400, "The response was filtered", code="content_filter"),
        refusing(403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_content_is_passed_on_at_once(refusal: Rule, stream: bool) -> None:
    with ruled({"a": [refusal], "b": []}) as gateway:
        answer = gateway.ask(stream=stream)
        assert answer.status_code == 400
        assert words(answer) == refusal.body["error"]["message"]
        assert gateway.tried(answer) == ["a"]


def test_a_refused_value_puts_the_model_last_for_that_value_alone() -> None:
    with ruled({"a": [NO_VALUE], "b": []}) as gateway:
        assert gateway.tried(gateway.ask(temperature=0.2)) == ["a", "b"]
        again = gateway.ask(temperature=0.2)
        assert gateway.tried(again) == ["b"]
        assert "p/a is asked last: it refused this `temperature`" in again.json()["dari_routing"]["reason"]
        assert gateway.tried(gateway.ask(temperature=1)) == ["a"]
        assert gateway.tried(gateway.ask()) == ["a"]


def test_a_model_that_is_asked_last_is_asked_when_the_others_fail() -> None:
    failing = refusing(500, "oops", words='"seed"')
    with ruled({"a": [refusing(400, "Unsupported value: 'temperature'", "0\\.2", "seed")], "b": [failing]}) as gateway:
        assert gateway.tried(gateway.ask(temperature=0.2)) == ["a", "b"]
        answer = gateway.ask(temperature=0.2, seed=1)
        assert gateway.tried(answer) == ["b", "a"]
        assert answer.status_code == 200
        assert answer.json()["dari_routing"]["reason"].endswith("p/b failed, so p/a answers instead.")
        second = gateway.view(answer).attempts[1]
        assert (second.propensity, second.randomised) == (1.0, False)


def test_no_memory_leaves_a_request_without_a_candidate() -> None:
    with ruled({"a": [NO_VALUE], "b": [NO_VALUE]}) as gateway:
        for _ in range(3):
            answer = gateway.ask(temperature=0.2)
            assert answer.status_code == 400
            assert sorted(gateway.tried(answer)) == ["a", "b"]
        assert gateway.ask(temperature=0.3).status_code == 200


def test_an_odd_schema_bars_no_other_schema() -> None:
    refusal = refusing(
        400,
        "Invalid schema for response_format 'x': 'minLength' is not permitted.",
        "minLength",
        param="response_format",
        code="unsupported_parameter",
    )
    odd, plain = ({"type": "string", **more} for more in ({"minLength": 1}, {}))
    with ruled({"a": [refusal], "b": []}) as gateway:
        for schema, tried in ((odd, ["a", "b"]), (odd, ["b"]), (plain, ["a"])):
            wanted = {"name": "x", "schema": {"type": "object", "properties": {"a": schema}}}
            answer = gateway.ask(response_format={"type": "json_schema", "json_schema": wanted})
            assert gateway.tried(answer) == tried


def test_a_field_that_a_provider_does_not_know_puts_its_model_last_for_that_field() -> None:
    unknown = refusing(400, "Unrecognized request argument supplied: seed", words='"seed"')
    with ruled({"a": [unknown], "b": []}) as gateway:
        assert gateway.tried(gateway.ask(seed=1)) == ["a", "b"]
        assert gateway.tried(gateway.ask(seed=2)) == ["b"]
        assert gateway.tried(gateway.ask(temperature=1)) == ["a"]


def test_too_few_credits_for_one_answer_take_no_model_away() -> None:
    poor = Rule(
        402,
        {"error": {"message": "This request requires more credits, or fewer max_tokens. You requested up to 64000"}},
        words="64000",
    )
    with ruled({"a": [poor], "b": [poor]}) as gateway:
        assert gateway.ask(max_tokens=64_000).status_code == 400
        assert gateway.tried(gateway.ask(max_tokens=200)) == ["a"]


def test_no_context_length_is_learned_from_a_sum() -> None:
    message = "input length and `max_tokens` exceed context limit: 1500 + 199000 > 200000, decrease input length"
    refusal = Rule(
        400, {"type": "error", "error": {"type": "invalid_request_error", "message": message}}, words="199000"
    )
    with ruled({"a": [refusal], "b": []}, kind="anthropic") as gateway:
        assert gateway.tried(gateway.ask(max_tokens=199_000)) == ["a", "b"]
        long = [{"role": "user", "content": "word " * 2_000}]
        assert gateway.tried(gateway.ask(messages=long, max_tokens=500)) == ["a"]


def test_a_stated_context_length_puts_the_model_last_for_longer_requests() -> None:
    message = "This model's maximum context length is 2000 tokens. However, your messages resulted in 2500 tokens."
    refusal = refusing(400, message, "(word ){2000}", param="messages", code="context_length_exceeded")
    long, short = ([{"role": "user", "content": "word " * count}] for count in (2_000, 100))
    with ruled({"a": [refusal], "b": []}) as gateway:
        for messages, tried in ((long, ["a", "b"]), (long, ["b"]), (short, ["a"])):
            assert gateway.tried(gateway.ask(messages=messages)) == tried


def test_an_estimate_of_the_length_refuses_no_last_model() -> None:
    long = [{"role": "user", "content": "word " * 2_000}]
    with ruled({"a": []}, model="context_window = 100") as gateway:
        assert gateway.ask(messages=long).status_code == 200


# What any request would meet.


def parked(gateway: Ruled) -> dict[str, str]:
    return dict(gateway.running.gateway.model_states.cooldowns.parked())


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("openai", refusing(401, "Incorrect API key provided: sk-0", code="invalid_api_key")),
        ("openai", refusing(400, "API access blocked.", code="blocked_api_access")),
        ("openai", refusing(404, "The model `a` does not exist", code="model_not_found")),
        ("openai", refusing(404, "model 'a' not found")),
        ("openai", refusing(429, "You exceeded your current quota", code="insufficient_quota")),
        ("anthropic", refusing(400, "You have reached your specified API usage limits. You will regain access on")),
        ("anthropic", refusing(400, "Your credit balance is too low to access the Anthropic API.")),
    ],
)
def test_what_any_request_would_meet_parks_the_model_and_is_never_passed_on(kind: str, refusal: Rule) -> None:
    with ruled({"a": [refusal], "b": []}, kind=kind) as gateway:
        answer = gateway.ask()
        assert (answer.status_code, gateway.tried(answer)) == (200, ["a", "b"])
        assert parked(gateway).keys() == {"p/a"}
        assert gateway.tried(gateway.ask()) == ["b"]


def test_a_moment_of_a_refused_key_is_no_outage() -> None:
    """With all models parked one request asks every 2 s, and the others wait for it."""
    with ruled({"a": [refusing(401, "invalid api key")]}) as gateway:
        assert gateway.ask().status_code == 502
        gateway.rules["a"].clear()
        assert gateway.ask().status_code == 200
        assert parked(gateway) == {}


def test_one_line_tells_of_each_failed_attempt_without_the_words_of_the_provider(
    caplog: pytest.LogCaptureFixture,
) -> None:
    echo = refusing(400, "Authorization: Bearer sk-0123456789abcdef was refused", words="seed")
    with caplog.at_level(logging.INFO), ruled({"a": [echo, refusing(500, "oops")], "b": []}) as gateway:
        answers = [gateway.ask(), gateway.ask(seed=1)]
        gateway.rules["b"].append(echo)
        answers.append(gateway.ask(seed=1))
    ids = [answer.headers["x-request-id"] for answer in answers]
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.completions.attempts"]
    assert lines == [
        f"request {ids[0]}: p/a: failed (HTTP 500); next is p/b",
        f"request {ids[1]}: p/a: refused (HTTP 400); next is p/b",
        f"request {ids[2]}: p/a: refused (HTTP 400); next is p/b",
        f"request {ids[2]}: p/b: refused (HTTP 400); no other model is tried",
    ]


# Our own fields.


METADATA = refusing(
    400, "The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata", '"store": true'
)


def test_the_stated_task_is_ours_and_is_taken_out() -> None:
    with ruled({"a": [METADATA]}) as gateway:
        assert gateway.ask(metadata={"task": "maths"}).status_code == 200
        assert gateway.ask(metadata={"task": "maths", "ticket": "42"}, store=True).status_code == 200
        assert [body.get("metadata") for body in gateway.received] == [None, {"ticket": "42"}]


def test_the_key_that_states_the_task_is_the_routers() -> None:
    with ruled({"a": []}, router='task_metadata_key = "kind"') as gateway:
        gateway.ask(metadata={"task": "theirs", "kind": "maths"})
        assert gateway.received[0]["metadata"] == {"task": "theirs"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("field", ["metadata", "user", "store", "prompt_cache_key", "safety_identifier"])
def test_a_field_without_effect_on_the_answer_costs_none(field: str, stream: bool) -> None:
    value: Any = {"metadata": {"a": "b"}, "store": False}.get(field, "x")
    strict = refusing(400, f"property '{field}' is unsupported", words=f'"{field}": ')
    with ruled({"a": [strict], "b": []}) as gateway:
        for requests in (2, 3):
            answer = gateway.ask(stream=stream, **{field: value})
            assert (answer.status_code, gateway.tried(answer)) == (200, ["a"])
            assert len(gateway.received) == requests, "asked again at once, and remembered"


@pytest.mark.parametrize(
    ("message", "remembered"),
    [("metadata: Extra inputs are not permitted", True), ("metadata.user_id: should be a UUID", False)],
)
def test_the_user_that_we_name_to_anthropic_costs_no_answer(message: str, remembered: bool) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    with ruled({"a": [Rule(400, error, words='"metadata"')], "b": []}, kind="anthropic") as gateway:
        for requests in (2, 3 if remembered else 4):
            answer = gateway.ask(user="ann")
            assert (answer.status_code, gateway.tried(answer)) == (200, ["a"])
            assert len(gateway.received) == requests


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]},
        {
            "object": "error",
            "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"]}]},
        },
        {"error": {"message": "Unrecognized request argument supplied: stream_options"}},
    ],
)
def test_the_stream_options_that_we_add_cost_no_stream(body: dict[str, Any]) -> None:
    with ruled({"a": [Rule(422, body, words="stream_options")]}) as gateway:
        for requests in (2, 3):
            answer = gateway.ask(stream=True)
            assert answer.status_code == 200
            assert answer.text.endswith("data: [DONE]\n\n")
            assert len(gateway.received) == requests


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("sent", "wanted"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_the_limit_on_tokens_is_translated_to_what_the_model_wants(sent: str, wanted: str, stream: bool) -> None:
    message = f"Unsupported parameter: '{sent}' is not supported with this model. Use '{wanted}' instead."
    strict = refusing(400, message, f'"{sent}"', param=sent, code="unsupported_parameter")
    with ruled({"a": [strict], "b": []}) as gateway:
        for requests in (2, 3):
            answer = gateway.ask(**{"stream": stream, sent: 50})
            assert (answer.status_code, gateway.tried(answer)) == (200, ["a"])
            assert len(gateway.received) == requests
            assert gateway.received[-1][wanted] == 50
            assert sent not in gateway.received[-1]


# What counts as an answer.


BROKEN = {"code": "server_error", "message": "Provider disconnected unexpectedly"}
NOTHING_SAID: dict[str, Any] = {
    "empty content": {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "stop"}]},
    "no choices": {"choices": []},
    "finish reason error": {"choices": [{"index": 0, "message": {"content": "He"}, "finish_reason": "error"}]},
    "error beside the choices": {
        "choices": [{"index": 0, "message": {"content": "He"}, "finish_reason": "stop"}],
        "error": BROKEN,
    },
    "error inside a choice": {"choices": [{"index": 0, "message": {"content": "He"}, "error": BROKEN}]},
    "an error object": {"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500},
}


@pytest.mark.parametrize("body", NOTHING_SAID.values(), ids=NOTHING_SAID)
def test_a_whole_answer_that_says_nothing_or_ends_badly_is_a_failure_and_its_usage_is_booked(body: Any) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 0, "total_tokens": 1_000}
    with ruled({"a": [Rule(body=body | {"usage": usage})], "b": []}) as gateway:
        answer = gateway.ask()
        assert (answer.status_code, gateway.tried(answer)) == (200, ["a", "b"])
        first = gateway.view(answer).attempts[0]
        assert first.ending is Ending.FAILED
        if body.get("object") != "error" and body["choices"]:
            assert first.prompt_tokens == 1_000
            assert first.cost_usd == pytest.approx(0.001)


NOTHING_STREAMED: dict[str, list[Any]] = {
    "a role and an end": [chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), "[DONE]"],
    "nothing": ["[DONE]"],
    "finish reason error": [chunk({"content": ""}, "error"), "[DONE]"],
    "error beside the choices": [chunk({"content": ""}, "error", error=BROKEN), "[DONE]"],
    "an error event": [{"error": BROKEN}],
    "an error object": [NOTHING_SAID["an error object"], "[DONE]"],
    "groq's error": [chunk({"content": ""}), chunk({}, x_groq={"id": "r", "error": "over_capacity"})],
}


@pytest.mark.parametrize("events", NOTHING_STREAMED.values(), ids=NOTHING_STREAMED)
def test_a_stream_that_fails_before_it_says_anything_is_replaced_unseen(events: list[Any]) -> None:
    with ruled({"a": [Rule(events=events)], "b": []}) as gateway:
        answer = gateway.ask(stream=True)
        assert gateway.tried(answer) == ["a", "b"]
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "Hello!" in answer.text
        assert "error" not in answer.text


@pytest.mark.parametrize("last", [events[-2:] for events in list(NOTHING_STREAMED.values())[2:]])
def test_an_error_after_the_first_content_is_told_and_the_answer_is_not_whole(last: list[Any]) -> None:
    with ruled({"a": [Rule(events=[chunk({"content": "He"}), *last])], "b": []}) as gateway:
        answer = gateway.ask(stream=True)
        assert gateway.tried(answer) == ["a"]
        assert json.loads(answer.text.split("data: ")[-1])["error"]["code"] == "all_models_failed"
        assert "[DONE]" not in answer.text
        view = gateway.view(answer)
        assert (view.outcome.status, view.attempts[0].ending) == (Status.PARTIAL, Ending.CUT)


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]}},
        {"message": {"content": None, "refusal": "I can't."}},
        {"message": {"content": "", "reasoning_content": "hm"}},
        {"message": {"content": ""}, "finish_reason": "length"},
        {"message": {"content": ""}, "finish_reason": "content_filter"},
    ],
)
def test_what_says_something_or_was_stopped_is_an_answer(choice: dict[str, Any]) -> None:
    body = {"choices": [{"index": 0, "finish_reason": "stop", **choice}]}
    with ruled({"a": [Rule(body=body)], "b": []}) as gateway:
        answer = gateway.ask()
        assert (answer.status_code, gateway.tried(answer)) == (200, ["a"])


def test_an_error_in_a_200_with_the_code_of_a_rate_limit_is_one() -> None:
    limited = {"error": {"code": 429, "message": "slow down, try again in 20s"}}
    with ruled({"a": [Rule(body=limited)], "b": []}) as gateway:
        answer = gateway.ask()
        assert gateway.view(answer).attempts[0].ending is Ending.RATE_LIMITED
        assert gateway.tried(gateway.ask()) == ["b"]
