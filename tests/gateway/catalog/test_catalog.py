"""The catalog: who serves a model, what it costs and what it can do."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bandit.price import Price
from gateway.catalog.capabilities import abilities_of
from gateway.catalog.catalog import Catalog, UnknownModel
from gateway.settings import SettingsError, load
from gateway.settings.presets import PRESETS, SIMULATED_MODELS
from gateway.simulated import DEFAULT_MODELS

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ALL_KEYS = {preset.variable: "k" for preset in PRESETS.values()}


def catalog(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Catalog:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return Catalog(load(path, environ or {}), NOW)


def test_every_shipped_model_has_a_price(tmp_path: Path) -> None:
    shipped = catalog(tmp_path, "", ALL_KEYS)
    assert shipped.notices == []
    assert len(list(shipped)) == sum(len(preset.models) for preset in PRESETS.values())
    assert all(model.price is not None and model.price.output_usd > 0 for model in shipped)


def test_the_price_list_knows_well_known_models_by_any_name(tmp_path: Path) -> None:
    known = catalog(tmp_path, "", ALL_KEYS)
    model = known.resolve("anthropic/claude-haiku-4-5-20251001")
    assert model.price is not None
    assert model.price.input_usd == pytest.approx(1e-6)
    assert model.context_window == 200_000


def test_a_listed_price_has_its_steps_and_its_service_tiers(tmp_path: Path) -> None:
    price = catalog(tmp_path, "", ALL_KEYS).resolve("openai/gpt-5.5").price
    assert (price.input_usd, price.output_usd, price.cached_input_usd) == pytest.approx((5e-6, 30e-6, 0.5e-6))
    assert price.at(300_000).input_usd == pytest.approx(10e-6)
    assert price.served_as("flex").input_usd == pytest.approx(2.5e-6)


def test_models_of_configured_providers_are_offered_and_can_be_used(tmp_path: Path) -> None:
    known = catalog(tmp_path, "", {"ANTHROPIC_API_KEY": "k"})
    offered = known.offered()
    assert {model_id.partition("/")[0] for model_id in offered} == {"anthropic"}
    assert all(known.get(model_id) is not None for model_id in offered)
    assert "anthropic/claude-haiku-4-5" in offered


def test_what_is_declared_wins(tmp_path: Path) -> None:
    text = (
        '[models."openai/gpt-5.5"]\ninput_usd_per_million = 2\noutput_usd_per_million = 4\n'
        'context_window = 7\noutput_limit = 5\nabilities = ["audio"]\n'
    )
    model = catalog(tmp_path, text, ALL_KEYS).resolve("openai/gpt-5.5")
    assert replace(model.price, tiers=()) == Price(2e-6, 4e-6, 2e-6)
    assert (model.context_window, model.output_limit) == (7, 5)
    assert model.abilities == {"audio", "stream"}


def test_a_model_can_be_declared_unable_to_stream(tmp_path: Path) -> None:
    model = catalog(tmp_path, '[models."openai/gpt-5.5"]\nstream = false', ALL_KEYS).resolve("openai/gpt-5.5")
    assert "stream" not in model.abilities
    assert "tools" in model.abilities


def test_a_model_without_a_price_is_an_error_that_names_its_line(tmp_path: Path) -> None:
    text = '[providers.mine]\nbase_url = "https://llm.example/v1"\n[models."mine/big"]\n[models."mine/small"]\n'
    with pytest.raises(SettingsError) as caught:
        catalog(tmp_path, text)
    assert [problem.split(": ")[0].rpartition(" ")[2] for problem in caught.value.problems] == ["3", "4"]
    assert "set input_usd_per_million and output_usd_per_million" in caught.value.problems[0]


def test_half_a_price_is_no_price(tmp_path: Path) -> None:
    text = '[providers.mine]\nbase_url = "http://127.0.0.1:1/v1"\n[models."mine/big"]\noutput_usd_per_million = 1\n'
    with pytest.raises(SettingsError, match="no price is known"):
        catalog(tmp_path, text)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_a_model_on_this_machine_costs_nothing_and_that_is_said(tmp_path: Path, host: str) -> None:
    models = catalog(tmp_path, f'[providers.local]\nbase_url = "http://{host}:11434/v1"\n[models."local/llama3"]\n')
    assert models.resolve("local/llama3").price == Price(0.0, 0.0, 0.0)
    assert models.notices == ["local/llama3 runs on this machine and has no price: it counts as $0"]


def test_a_provider_is_also_known_by_the_host_it_is_reached_at(tmp_path: Path) -> None:
    text = '[providers.work]\nbase_url = "https://api.openai.com/v1"\n[models."work/gpt-5.5"]\n'
    price = catalog(tmp_path, text).resolve("work/gpt-5.5").price
    assert price is not None
    assert price.input_usd == pytest.approx(5e-6)


def test_a_model_that_no_file_names_is_resolved_when_a_router_does(tmp_path: Path) -> None:
    models = catalog(tmp_path, "", {"GROQ_API_KEY": "k"})
    assert "groq/llama-3.1-8b-instant" not in models
    assert models.resolve("groq/llama-3.1-8b-instant").provider == "groq"
    with pytest.raises(UnknownModel, match='no provider "openai"'):
        models.resolve("openai/gpt-5.5")
    with pytest.raises(UnknownModel, match="no price is known"):
        models.resolve("groq/of-tomorrow")
    with pytest.raises(UnknownModel, match="simulated models are served only if no provider is configured"):
        models.resolve("simulated/sage")


def test_simulated_models_are_known_if_they_are_served(tmp_path: Path) -> None:
    models = catalog(tmp_path, "", {})
    assert models.resolve("simulated/sage").provider == "simulated"
    with pytest.raises(UnknownModel, match="there is no simulated/other"):
        models.resolve("simulated/other")


@pytest.mark.parametrize(
    ("name", "can", "cannot"),
    [
        ("gpt-5.5-2026-04-23", {"tools", "json_schema", "vision", "files"}, {"audio"}),
        ("openai/gpt-oss-120b", {"tools"}, {"vision"}),
        ("gpt-4o-audio-preview", {"audio"}, {"vision"}),
        ("claude-haiku-4-5", {"tools", "vision", "files"}, {"audio"}),
        ("google/gemini-3.8-flash", {"audio", "vision"}, set()),
        ("deepseek-v4-pro", {"tools"}, {"json_schema", "vision"}),
        ("mistral-small-latest", {"vision"}, {"audio"}),
        ("qwen2.5-vl:7b", {"vision"}, {"audio"}),
        ("something-new", {"tools", "json_schema"}, {"vision", "audio", "files"}),
        ("o3", {"tools", "vision"}, {"audio"}),
        ("moo1", {"tools"}, {"vision"}),
    ],
)
def test_abilities_follow_the_models_family(name: str, can: set[str], cannot: set[str]) -> None:
    abilities = abilities_of(name)
    assert can <= abilities
    assert not cannot & abilities


def test_the_simulated_models_are_those_that_are_served() -> None:
    assert set(SIMULATED_MODELS) == set(DEFAULT_MODELS)


CLOUDS = """
[providers.azure]
base_url = "https://acme.openai.azure.com"
[providers.bedrock]
base_url = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
[providers.vertex]
base_url = "https://us-east5-aiplatform.googleapis.com/v1"
[providers.local]
base_url = "http://127.0.0.1:11434/v1"
[models."azure/prod-chat"]
base_model = "gpt-5.5"
[models."azure/gpt-4o"]
[models."bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"]
[models."bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/ab12"]
base_model = "anthropic.claude-haiku-4-5-20251001-v1:0"
[models."vertex/google/gemini-2.5-pro"]
[models."vertex/anthropic/claude-haiku-4-5@20251001"]
[models."local/qwen3-vl:8b"]
"""


@pytest.mark.parametrize(
    ("model_id", "input_usd", "context", "can", "cannot"),
    [
        ("azure/prod-chat", 5e-6, 1_050_000, {"tools", "json_schema", "vision", "files"}, {"audio"}),
        ("azure/gpt-4o", 2.5e-6, 128_000, {"tools", "json_schema", "vision"}, {"audio"}),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3e-6, 200_000, {"tools", "vision"}, {"audio"}),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/ab12",
            1.1e-6,
            200_000,
            {"tools", "vision", "files"},
            {"audio"},
        ),
        ("vertex/google/gemini-2.5-pro", 1.25e-6, 1_048_576, {"tools", "vision", "audio", "files"}, set()),
        ("vertex/anthropic/claude-haiku-4-5@20251001", 1e-6, 200_000, {"tools", "vision"}, {"audio"}),
        ("local/qwen3-vl:8b", 0.0, None, {"tools", "vision"}, {"audio"}),
    ],
)
def test_models_in_clouds_are_known_by_what_they_are(
    tmp_path: Path, model_id: str, input_usd: float, context: int | None, can: set[str], cannot: set[str]
) -> None:
    model = catalog(tmp_path, CLOUDS).resolve(model_id)
    assert model.price.input_usd == pytest.approx(input_usd)
    assert model.context_window == context
    assert can <= model.abilities
    assert not cannot & model.abilities


def test_abilities_and_limits_are_facts_and_not_guesses_from_names(tmp_path: Path) -> None:
    models = catalog(tmp_path, "", ALL_KEYS)
    o3_mini = models.resolve("openai/o3-mini")
    assert "vision" not in o3_mini.abilities
    assert (o3_mini.context_window, o3_mini.output_limit, o3_mini.reasoning) == (200_000, 100_000, True)
    assert models.resolve("openai/gpt-4.1").temperature is True
    assert models.resolve("openai/gpt-5.5").temperature is False
    assert "audio" in models.resolve("mistral/voxtral-small-latest").abilities


def test_a_model_newer_than_the_facts_has_its_familys_abilities(tmp_path: Path) -> None:
    newest = catalog(tmp_path, "", ALL_KEYS).resolve("anthropic/claude-opus-5-5")
    assert {"tools", "json_schema", "vision", "files"} <= newest.abilities
    assert newest.reasoning is None


def test_a_price_that_the_list_lacks_is_a_fact(tmp_path: Path) -> None:
    text = '[providers.dashscope]\nbase_url = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"\n'
    model = catalog(tmp_path, text + '[models."dashscope/qwen3-omni-flash"]\n').resolve("dashscope/qwen3-omni-flash")
    assert model.price.input_usd == pytest.approx(0.43e-6)
    assert model.price.audio_output_usd == pytest.approx(15.11e-6)


def test_what_others_serve_under_a_name_sets_no_limit_and_no_price(tmp_path: Path) -> None:
    text = '[providers.mine]\nbase_url = "https://llm.example/v1"\n[models."mine/gpt-4o"]\n'
    with pytest.raises(SettingsError, match="or base_model if it is another name of a known model"):
        catalog(tmp_path, text)
    model = catalog(tmp_path, text + "input_usd_per_million = 1\noutput_usd_per_million = 1\n").resolve("mine/gpt-4o")
    assert (model.context_window, model.output_limit) == (None, None)
    assert "vision" in model.abilities
