"""One model is written in many ways: clouds put paths, regions, vendors, versions and dates around its name."""

import pytest

from gateway.catalog.names import canonical, without_path

SPELLINGS = {
    "claude-sonnet-4-5": [
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5@default",
        "anthropic/claude-sonnet-4.5",
        "anthropic/claude-sonnet-4.5:nitro",
        "anthropic/claude-sonnet-4-5@20250929",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "apac.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0:200k",
        "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "vertex_ai/claude-sonnet-4-5@20250929",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "projects/acme/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929",
    ],
    "claude-opus-4-6": ["us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6@default", "anthropic/claude-opus-4.6"],
    "gemini-2.5-pro": ["models/gemini-2.5-pro", "google/gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro"],
    "gpt-4o": ["gpt-4o-2024-08-06", "openai/gpt-4o", "azure/gpt-4o", "ft:gpt-4o-2024-08-06:acme::ab12", "GPT-4o"],
    "gpt-3.5-turbo": ["gpt-35-turbo"],
    "gpt-oss-120b": ["openai/gpt-oss-120b", "openai.gpt-oss-120b-1:0", "openai/gpt-oss-120b-maas"],
    "llama-3.3-70b-instruct": ["meta-llama/Llama-3.3-70B-Instruct", "meta/llama-3.3-70b-instruct-maas"],
}


@pytest.mark.parametrize(
    ("name", "spelling"), [(name, each) for name, spellings in SPELLINGS.items() for each in spellings]
)
def test_all_spellings_of_a_model_have_one_canonical_name(name: str, spelling: str) -> None:
    assert canonical(spelling) == canonical(name)


def test_different_models_keep_different_names() -> None:
    names = [
        *SPELLINGS,
        "claude-sonnet-4",
        "claude-haiku-4-5",
        "gpt-4",
        "gpt-4o-mini",
        "mistral-small-2506",
        "mistral-small-2603",
        "deepseek-v3.2",
        "qwen3-32b",
        "llama3:8b",
        "llama3:70b",
    ]
    assert len({canonical(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("accounts/fireworks/models/deepseek-v4-pro", "deepseek-v4-pro"),
        ("meta-llama/Llama-3.3-70B", "meta-llama/llama-3.3-70b"),
        ("us.anthropic.claude-opus-4-6-v1", "us.anthropic.claude-opus-4-6-v1"),
    ],
)
def test_a_path_is_left_out_and_no_more(name: str, own: str) -> None:
    assert without_path(name) == own
