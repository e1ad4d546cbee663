"""A prompt's length is counted in characters, however its JSON was written."""

import json

import pytest

from gateway.completions.request import parse_completion
from gateway.tasks.classifier import estimate_prompt_tokens

TEXT = "港口城市的历史" * 50


def body(content: object, *, escaped: bool = False) -> bytes:
    message = {"role": "user", "content": content}
    return json.dumps({"model": "dari/routing", "messages": [message]}, ensure_ascii=escaped).encode()


@pytest.mark.parametrize("content", [TEXT, [{"type": "text", "text": TEXT}]])
def test_escapes_and_parts_do_not_make_a_prompt_longer(content: object) -> None:
    plain, escaped = parse_completion(body(content)), parse_completion(body(content, escaped=True))
    assert plain.features.prompt_chars == escaped.features.prompt_chars == len(TEXT)
    assert estimate_prompt_tokens(plain.features) == pytest.approx(0.75 * len(TEXT), rel=0.01)


def test_an_image_is_not_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    features = parse_completion(body([{"type": "text", "text": "what is this?"}, image])).features
    assert (features.prompt_chars, features.images) == (13, 1)
