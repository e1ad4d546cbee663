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
