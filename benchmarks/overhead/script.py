"""The request, answer and stream that the fake provider sends and the load generator checks."""

import json
import re

CHUNKS = 100
"""Content chunks of a stream; the chunks of role, finish and usage come on top."""

FIRST_WORD = b"tok-000"
"""In the first content chunk only: ends the time to first token."""

_PACE = re.compile(rb"\[pace (\d+) ms\]")
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_USAGE = re.compile(rb'"include_usage"\s*:\s*true')

_QUESTION = (
    "A customer writes that the parcel has not arrived, although the tracking page says that it was delivered two "
    "days ago. Draft a short, friendly reply that asks for what we need to know."
)
_REPLY = (
    "I am sorry that your parcel is not with you yet. Could you please look whether a neighbour or the porter took "
    "it in, and tell us your order number and the address it was sent to? We will ask the carrier today, and write "
    "again by tomorrow noon at the latest, with news."
)


def request_body(model: str, *, stream: bool, pace_ms: int = 0) -> bytes:
    """A chat request of about 300 bytes. The pace is in the prompt, which every gateway passes on."""
    content = f"{_QUESTION} [pace {pace_ms} ms]" if stream else _QUESTION
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.2,
        "max_tokens": 300,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body, separators=(",", ":")).encode()


def wants_stream(body: bytes) -> bool:
    """Whether a request asks for a stream."""
    return _STREAM.search(body) is not None


def wants_usage(body: bytes) -> bool:
    """Whether a request asks for the usage chunk."""
    return _USAGE.search(body) is not None


def pace_seconds(body: bytes) -> float:
    """Seconds between the chunks that a request asks for."""
    match = _PACE.search(body)
    return int(match[1]) / 1000 if match else 0.0


def answer_body() -> bytes:
    """A plain answer of about 600 bytes, as OpenAI words it."""
    return json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "bench",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": _REPLY, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 48,
                "completion_tokens": 57,
                "total_tokens": 105,
                "prompt_tokens_details": {"cached_tokens": 0},
            },
        },
        separators=(",", ":"),
    ).encode()


def stream_events(*, usage: bool) -> list[bytes]:
    """All events of a stream, `[DONE]` included."""
    events = [_event({"role": "assistant", "content": ""})]
    events += [_event({"content": f"tok-{index:03d} "}) for index in range(CHUNKS)]
    events.append(_event({}, finish="stop"))
    if usage:
        events.append(_event(None))
    return [*events, b"data: [DONE]\n\n"]


def check_answer(body: bytes) -> str | None:
    """What is wrong with a plain answer; None if nothing."""
    try:
        answer = json.loads(body)
        content = answer["choices"][0]["message"]["content"]
        tokens = answer["usage"]["completion_tokens"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return f"not a completion ({error!r}): {body[:200]!r}"
    return None if content == _REPLY and tokens == 57 else f"another answer than the provider's: {body[:200]!r}"


def check_stream(body: bytes) -> str | None:
    """What is wrong with a whole stream; None if nothing."""
    events = [line.removeprefix(b"data:").strip() for line in body.split(b"\n") if line.startswith(b"data:")]
    if not events or events[-1] != b"[DONE]":
        return f"the stream does not end with [DONE] but with {body[-200:]!r}"
    try:
        chunks = [json.loads(event) for event in events[:-1]]
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return f"a chunk that is none ({error!r}): {body[:200]!r}"
    expected = "".join(f"tok-{index:03d} " for index in range(CHUNKS))
    return None if text == expected else f"another text than the provider's: {text[:200]!r}"


def _event(delta: dict[str, str] | None, finish: str | None = None) -> bytes:
    chunk: dict[str, object] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    if delta is None:
        chunk["usage"] = {"prompt_tokens": 48, "completion_tokens": CHUNKS, "total_tokens": 48 + CHUNKS}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
