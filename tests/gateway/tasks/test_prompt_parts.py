"""Every part of a prompt is estimated as its own term, and none leaks into another."""

from dataclasses import replace

import pytest

from bandit.types import PromptParts
from gateway.tasks.classifier import Features
from gateway.tasks.prompt_parts import estimate_parts

BARE = Features(
    system="", text="hi there", prompt_chars=8, tools=False, tool_turns=0, wants_json=False, images=0, turns=1
)


@pytest.mark.parametrize(
    ("features", "parts"),
    [
        (BARE, PromptParts(9)),
        (replace(BARE, messages=10), PromptParts(45)),
        (replace(BARE, schema_bytes=20_000), PromptParts(9, tools=5_000)),
        (replace(BARE, images=3), PromptParts(9, images=2_400)),
        (replace(BARE, audio_seconds=10.0), PromptParts(9, audio=160)),
        (replace(BARE, file_kilobytes=300.0), PromptParts(9, files=15_000)),
        (replace(BARE, text="", prompt_chars=0, images=1), PromptParts(8, images=800)),
    ],
)
def test_a_part_is_estimated_by_its_own_size(features: Features, parts: PromptParts) -> None:
    assert estimate_parts(features) == parts
