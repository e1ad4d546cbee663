"""Answers, stream events and errors in OpenAI's wire format."""

from collections.abc import Mapping

import msgspec

from bandit.types import Json

_encode = msgspec.json.encode
TEXT = "Simulated answer by a faulty model."


def completion(content: str | None = TEXT, **changes: Json) -> bytes:
    """A whole answer; `changes` replace its top-level fields."""
    answer: dict[str, Json] = {
        "id": "chatcmpl-faulty",
        "object": "chat.completion",
        "created": 1,
        "model": "faulty",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return _encode(answer | changes)


def event(delta: Mapping[str, Json] | None = None, finish: str | None = None, **more: Json) -> bytes:
    """One event of a stream; `more` are additional top-level fields."""
    choices: Json = [] if delta is None else [{"index": 0, "delta": dict(delta), "finish_reason": finish}]
    chunk: dict[str, Json] = {"id": "chatcmpl-faulty", "object": "chat.completion.chunk", "created": 1}
    return b"data: " + _encode(chunk | {"model": "faulty", "choices": choices} | more) + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
WORDS = [event({"content": word}) for word in ("Simulated ", "answer ", "by a ", "faulty ", "model.")]
FINISH = event({}, "stop")
USAGE = event(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
DONE = b"data: [DONE]\n\n"
GOOD = (ROLE, *WORDS, FINISH, USAGE, DONE)


def error(message: str, code: str, param: str | None = None) -> bytes:
    """An error's body."""
    return _encode({"error": {"message": message, "type": code, "param": param, "code": code}})
