"""A second model is asked the same, without what is for the caller alone, and with a bound on its answer."""

import json
from typing import Any, cast

import msgspec
import pytest

from gateway.judging.answered import Second
from gateway.judging.comparison import MOST_SECOND_TOKENS, question_to_second


def asked(**fields: object) -> tuple[dict[str, Any], int]:
    raw = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()}
    question = question_to_second(Second("b/c", cast("Any", None), raw, 10), 60.0)
    return {name: json.loads(bytes(value)) for name, value in question.fields.items()}, question.most_tokens


def test_what_is_for_the_caller_alone_is_not_sent_and_all_else_is() -> None:
    same = {"messages": [], "temperature": 0.5, "response_format": {"type": "json_object"}, "seed": 1, "max_tokens": 9}
    own = {"stream": True, "stream_options": {}, "store": True, "metadata": {}, "n": 3, "service_tier": "priority"}
    assert asked(**same, **own) == (same, 9)


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        ({}, {"max_tokens": MOST_SECOND_TOKENS}),
        ({"max_completion_tokens": 100_000}, {"max_completion_tokens": MOST_SECOND_TOKENS}),
        ({"max_tokens": 100_000}, {"max_tokens": MOST_SECOND_TOKENS}),
        ({"max_completion_tokens": 100}, {"max_completion_tokens": 100}),
    ],
)
def test_its_answer_is_bounded(limits: dict[str, int], sent: dict[str, int]) -> None:
    fields, most = asked(messages=[], **limits)
    assert fields == {"messages": [], **sent}
    assert most == min(MOST_SECOND_TOKENS, *sent.values())
