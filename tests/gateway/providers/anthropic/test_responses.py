"""Anthropic's answers and streams as OpenAI's, with both official clients' types as the judges."""

import json
from typing import Any

import msgspec
import pytest
from openai.types.chat.chat_completion import Choice

from bandit.price import Tokens
from bandit.types import Ending
from gateway.providers.anthropic.requests import Form, translate
from gateway.providers.anthropic.responses import EventReader, read_message
from gateway.providers.upstream.provider import ProviderError, Usage
from tests.support.anthropic_messages import (
    SAID,
    START,
    STOP,
    TALK,
    THOUGHT,
    TOOLS,
    USED,
    begin,
    close,
    finish,
    message,
    more,
    read,
)

JSON_FORM = Form(json_tool=True)


def test_an_answer_becomes_a_completion_without_its_thoughts() -> None:
    answer = read_message(message(THOUGHT, SAID, {**SAID, "text": " there"}))
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    assert choice["message"] == {"role": "assistant", "content": "Hello there"}
    assert answer.finish_reason == "stop"
    assert answer.text == "Hello there"
    assert answer.usage == Usage(Tokens(prompt_tokens=15, completion_tokens=5, cached_tokens=3, cache_write_tokens=2))
    assert msgspec.json.decode(answer.fields["usage"]) == {
        "prompt_tokens": 15,
        "completion_tokens": 5,
        "total_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
    }


def test_tool_use_becomes_tool_calls() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"))
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert choice["message"]["tool_calls"] == [{"id": "toolu_1", "type": "function", "function": function}]
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "tool_calls"


LEGACY = Form(legacy=True)


def test_a_call_of_a_function_of_old_goes_back_as_one() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"), LEGACY)
    choice = msgspec.json.decode(answer.fields["choices"])[0]
    Choice.model_validate({"logprobs": None, **choice})
    assert choice["message"]["function_call"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert answer.finish_reason == choice["finish_reason"] == "function_call"


@pytest.mark.parametrize(
    ("text", "stops", "cut"),
    [
        ("one\ntwo", ("\n",), "one"),
        ("one two", ("\n",), "one two"),
        ("a\nb\n\nc", ("\n\n",), "a\nb"),
        ("a\tb\nc", ("\n", "\t"), "a"),
        ("\n", ("\n\n",), "\n"),
        ("", ("\n",), ""),
    ],
)
def test_stops_of_white_space_are_applied_by_us(text: str, stops: tuple[str, ...], cut: str) -> None:
    raw = {"messages": msgspec.Raw(b"[]"), "stop": msgspec.json.encode([*stops, "END", ""])}
    body, form = translate("claude-sonnet-5", {name: msgspec.Raw(value) for name, value in raw.items()})
    assert (body["stop_sequences"], form.stops) == (["END"], stops)
    whole = read_message(message({**SAID, "text": text}, USED, stop_reason="tool_use"), form)
    said = msgspec.json.decode(whole.fields["choices"])[0]["message"]
    assert whole.text == cut or not text
    assert whole.finish_reason == ("stop" if cut != text else "tool_calls")
    assert ("tool_calls" in said) is (cut == text)
    for size in (1, 2, 100):
        pieces = [more(0, type="text_delta", text=text[at : at + size]) for at in range(0, len(text), size)]
        reader, chunks = read([START, begin(0, {**SAID, "text": ""}), *pieces, close(0), finish(), STOP], form)
        # What comes behind the stop is not read any more: the caller closes the stream.
        ends = next(at for at, chunk in enumerate(chunks) if chunk.finish_reason)
        assert "".join(chunk.text for chunk in chunks[: ends + 1]) == cut
        assert chunks[ends].finish_reason == "stop"
        assert reader.ended


def test_json_that_came_through_a_tool_is_the_content() -> None:
    answer = read_message(message(USED, stop_reason="tool_use"), JSON_FORM)
    assert answer.text == '{"city": "Rome"}'
    assert answer.finish_reason == "stop"
    assert "tool_calls" not in msgspec.json.decode(answer.fields["choices"])[0]["message"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reasons_are_translated(reason: str, finish: str) -> None:
    assert read_message(message(SAID, stop_reason=reason)).finish_reason == finish


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"content":3}'])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderError, match="malformed"):
        read_message(body)


def test_a_stream_becomes_chunks_without_its_thoughts() -> None:
    reader, chunks = read(TALK)
    assert "".join(chunk.text for chunk in chunks) == "Hello"
    assert "hm" not in json.dumps([bytes(raw).decode() for chunk in chunks for raw in chunk.fields.values()])
    assert sum(chunk.text_bytes for chunk in chunks) == len("hmHello")
    assert [chunk.says for chunk in chunks] == [False, False, False, False, True, True, True]
    assert [chunk.lives for chunk in chunks] == [False, *[True] * 6]
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage == Usage(Tokens(prompt_tokens=13, completion_tokens=15, cached_tokens=3))
    assert (reader.alive, reader.finished, reader.complete, reader.ended) == (True, True, True, True)


@pytest.mark.parametrize(
    "event",
    [
        begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
        begin(0, {"type": "redacted_thinking", "data": "x"}),
        more(0, type="thinking_delta", thinking="hm"),
        more(0, type="signature_delta", signature="s"),
    ],
)
def test_a_thought_is_a_sign_of_life_even_if_its_text_is_kept_back(event: dict[str, Any]) -> None:
    reader, (role, thought) = read([START, event])
    assert (role.lives, thought.lives, thought.says) == (False, True, False)
    assert reader.alive


def test_streamed_tool_calls_have_arguments_that_are_json() -> None:
    _, chunks = read(TOOLS)
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for choice in msgspec.json.decode(chunk.fields["choices"]):
            for call in choice["delta"].get("tool_calls", []):
                found = calls.setdefault(call["index"], {"id": call.get("id", ""), "name": "", "arguments": ""})
                found["name"] += call["function"].get("name", "")
                found["arguments"] += call["function"]["arguments"]
    assert calls == {
        0: {"id": "toolu_1", "name": "weather", "arguments": '{"city": "Rome"}'},
        1: {"id": "toolu_2", "name": "now", "arguments": "{}"},
    }
    assert chunks[-1].finish_reason == "tool_calls"


def test_a_streamed_call_of_a_function_of_old_goes_back_as_one() -> None:
    _, chunks = read([*TOOLS[:6], finish("tool_use"), STOP], LEGACY)
    deltas = [msgspec.json.decode(chunk.fields["choices"])[0]["delta"].get("function_call", {}) for chunk in chunks]
    assert [delta["name"] for delta in deltas if "name" in delta] == ["weather"]
    assert "".join(delta.get("arguments", "") for delta in deltas) == '{"city": "Rome"}'
    assert chunks[-1].finish_reason == "function_call"


def test_streamed_json_that_came_through_a_tool_is_the_content() -> None:
    _, chunks = read([*TOOLS[:6], finish("tool_use"), STOP], JSON_FORM)
    assert "".join(chunk.text for chunk in chunks) == '{"city": "Rome"}'
    assert chunks[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("kind", "ending", "status"),
    [
        ("overloaded_error", Ending.FAILED, 529),
        ("rate_limit_error", Ending.RATE_LIMITED, 429),
        ("api_error", Ending.FAILED, 500),
        ("authentication_error", Ending.MISCONFIGURED, 401),
    ],
)
def test_an_error_event_means_what_its_type_says(kind: str, ending: Ending, status: int) -> None:
    with pytest.raises(ProviderError) as told:
        read([START, {"type": "error", "error": {"type": kind, "message": "Overloaded"}}])
    assert (told.value.ending, told.value.status) == (ending, status)


@pytest.mark.parametrize("usage", ["x", [1], 5])
def test_usage_that_is_no_object_costs_nothing_of_the_answer(usage: Any) -> None:
    body = {**json.loads(message(SAID)), "usage": usage}
    assert read_message(json.dumps(body).encode()).text == "Hello"
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    chunk = EventReader().read(json.dumps(ended).encode())
    assert chunk is not None
    assert chunk.finish_reason == "stop"
