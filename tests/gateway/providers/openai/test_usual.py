"""What is read of the usual answer by one decoder is what is read of it in steps."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.completions.response import whole
from gateway.providers.openai.responses import read_any
from gateway.providers.openai.usual import read_usual

SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", 0, 3, 1.5, True, False, [], {}, [{}], {"error": None}, {"error": "no"}, "error"]
)
TEXTS = st.sampled_from(["yes", "é😀", "\n", "\x00"]) | st.text(max_size=3)
MESSAGE: dict[str, Any] = {"role": "assistant", "refusal": None, "annotations": []}
MORE = st.sampled_from(
    [
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "audio",
        "images",
        "reasoning",
        "reasoning_content",
        "thoughts",
    ]
)
OF_A_CHOICE = st.sampled_from(["index", "error", "delta", "finish_reason", "usage", "logprobs"])
OF_AN_ANSWER = st.sampled_from(
    ["error", "type", "object", "service_tier", "x_groq", "detail", "usage", "timings", "model"]
)
COUNTS = st.integers(0, 4)
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "reasoning_tokens", "audio_tokens", "x"]), COUNTS, max_size=1
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    message = {**MESSAGE, "content": draw(TEXTS), **draw(st.dictionaries(MORE, SCALARS, max_size=1))}
    finish = draw(st.sampled_from(["stop"] * 4 + ["length", "error", "content_filter", "eos", None]))
    choice = {"index": 0, "message": message, "finish_reason": finish}
    choice |= draw(st.dictionaries(OF_A_CHOICE, SCALARS, max_size=1) if draw(st.booleans()) else st.just({}))
    prompt, completion = draw(COUNTS), draw(COUNTS)
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    usage["total_tokens"] = draw(st.sampled_from([prompt + completion] * 4 + [prompt, 9]))
    for name in draw(
        st.lists(st.sampled_from(["prompt_tokens_details", "completion_tokens_details", "x"]), max_size=2)
    ):
        usage[name] = draw(DETAILS)
    choices = [choice] * draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
    answer |= draw(st.dictionaries(OF_AN_ANSWER, SCALARS, max_size=1) if draw(st.booleans()) else st.just({}))
    body = json.dumps(answer, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    at = draw(st.integers(-2_000, len(body)))  # rarely a byte is missing
    return body if at < 0 else body[:at] + body[at + 1 :]


@given(answers())
@example(b'{"object":"chat.completion","choices":[],"usage":{}}')
def test_a_usual_answer_is_read_as_any_other(body: bytes) -> None:
    usual = read_usual(body)
    if usual is not None:
        assert usual == replace(read_any(body), counts_alone=True)
        usage = json.loads(bytes(usual.fields["usage"]))
        told = json.loads(whole(usual, "req_1", 1, "m", "because", b"0.5"))
        assert (told["usage"], "cost_usd" in usage) == (usage | {"cost_usd": 0.5}, False)


def test_openais_own_answer_is_usual() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}
    usage["prompt_tokens_details"] = {"cached_tokens": 3, "audio_tokens": 0}
    usage["completion_tokens_details"] = {"reasoning_tokens": 2, "audio_tokens": 0, "accepted_prediction_tokens": 0}
    message: dict[str, Any] = {"role": "assistant", "content": "Grüße", "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    answer |= {"usage": usage, "service_tier": "default", "system_fingerprint": "fp"}
    read = read_usual(json.dumps(answer).encode())
    assert read is not None
    assert read == replace(read_any(json.dumps(answer).encode()), counts_alone=True)
    assert (read.text, read.text_bytes, read.finish_reason) == ("Grüße", 7, "stop")
    assert read.usage is not None
    assert read.usage.tier == "default"
