"""Names of Claude at Anthropic, Bedrock, Vertex and OpenRouter, and the generations that they name."""

from pathlib import Path

import pytest

from gateway.providers.anthropic.models import ALL_EFFORTS, LOW_TO_HIGH, TO_MAX, Generation, generation_of

UNKNOWN = Generation(prefill=True)
DOCUMENT = (Path(__file__).parents[4] / "docs" / "providers.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("names", "generation"),
    [
        (
            ("claude-instant-1.2", "claude-2.1", "claude-v1", "claude-3-opus-20240229", "claude-3-5-sonnet-latest"),
            Generation(sampling=True, structured=False, prefill=True),
        ),
        (
            (
                *(
                    "claude-3-7-sonnet-20250219",
                    "claude-opus-4-20250514",
                    "claude-4-opus-20250514",
                    "claude-sonnet-4-0",
                ),
                *("claude-opus-4-1-20250805", "claude-opus-4-1@20250805", "anthropic.claude-sonnet-4-20250514-v1:0"),
            ),
            Generation(sampling=True, budget=True, structured=False, prefill=True),
        ),
        (
            ("claude-sonnet-4-5", "claude-haiku-4-5-20251001", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
            Generation(sampling=True, budget=True, prefill=True),
        ),
        (("claude-opus-4-5-20251101", "claude-opus-4.5"), Generation(sampling=True, efforts=LOW_TO_HIGH, prefill=True)),
        (("claude-opus-4-6", "claude-sonnet-4.6"), Generation(sampling=True, efforts=TO_MAX, adaptive=True)),
        (("claude-opus-4-7", "claude-opus-4-8"), Generation(efforts=ALL_EFFORTS, adaptive=True)),
        (
            ("claude-sonnet-5", "claude-opus-5", "claude-fable-5", "claude-haiku-5-5", "anthropic.claude-haiku-5-5"),
            Generation(efforts=ALL_EFFORTS),
        ),
        (
            ("claude-sonnet-5-5", "Claude-Opus-5-5", "claude-fable-5-1", "claude-mythos-5-2"),
            Generation(efforts=ALL_EFFORTS, forced_tools=False),
        ),
        (("claude-mythos-preview", "kimi-k2", "my-deployment", ""), UNKNOWN),
    ],
)
def test_a_name_tells_the_generation(names: tuple[str, ...], generation: Generation) -> None:
    assert {name: generation_of(name) for name in names} == dict.fromkeys(names, generation)


@pytest.mark.parametrize(
    ("row", "model"),
    [
        ("up to Claude 3.5", "claude-3-5-haiku-latest"),
        ("3.7 to 4.1", "claude-opus-4-1"),
        ("Sonnet 4.5, Haiku 4.5", "claude-sonnet-4-5"),
        ("Opus 4.5", "claude-opus-4-5"),
        ("4.6", "claude-opus-4-6"),
        ("4.7, 4.8", "claude-opus-4-8"),
        ("5; Haiku 5.5", "claude-sonnet-5"),
        ("5.5; Fable and Mythos from 5.1", "claude-sonnet-5-5"),
        ("other names", "my-deployment"),
    ],
)
def test_the_documents_table_tells_what_is_sent(row: str, model: str) -> None:
    line = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| {row} |"))
    sampling, effort, schema, prefill, forced = (cell.strip() for cell in line.strip("|").split("|")[1:])
    generation = generation_of(model)
    assert (sampling != "–") is generation.sampling
    assert ("budget" in effort, "adaptive" in effort) == (generation.budget, generation.adaptive)
    assert ("effort" in effort) is bool(generation.efforts)
    assert (schema == "`output_config`") is generation.structured
    assert (prefill == "yes", forced == "yes") == (generation.prefill, generation.forced_tools)
