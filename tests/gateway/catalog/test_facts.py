"""What ships of models, where it is looked up, and how a file of one's own renews it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.catalog.facts import SHIPPED, Facts, ModelFacts, Rates, facts_path, load_facts, read_facts
from gateway.catalog.vendors import VENDORS, Vendor, vendor_of
from gateway.settings import ProviderSettings, Settings, SettingsError

FACTS = read_facts(SHIPPED)
TEXT = Facts(inputs=["text"], outputs=["text"], tools=True)


def vendor(name: str) -> Vendor:
    return next(each for each in VENDORS if each.facts == name)


def test_over_a_thousand_models_of_every_vendor_ship_with_their_source() -> None:
    assert sum(map(len, FACTS.providers.values())) >= 1_000
    assert FACTS.providers.keys() == {each.facts for each in VENDORS}
    assert "MIT" in json.loads(SHIPPED.read_text())["source"]
    assert "MIT licence" in (SHIPPED.parent / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "base_url", "facts"),
    [
        ("openai", "http://127.0.0.1:9/v1", "openai"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "google"),
        ("work", "https://generativelanguage.googleapis.com/v1beta/openai", "google"),
        ("work", "https://us-east5-aiplatform.googleapis.com/v1/projects/p", "google-vertex"),
        ("work", "https://acme.openai.azure.com", "azure"),
        ("work", "https://acme.services.ai.azure.com/models", "azure"),
        ("work", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "amazon-bedrock"),
        ("bedrock", "https://gateway.example/v1", "amazon-bedrock"),
        ("work", "https://api.z.ai/api/paas/v4", "zai"),
        ("work", "https://api.x.ai/v1", "xai"),
        ("work", "https://notz.ai/v1", None),
        ("work", "https://llm.example/v1", None),
    ],
)
def test_a_provider_is_known_by_its_name_or_its_host(name: str, base_url: str, facts: str | None) -> None:
    found = vendor_of(ProviderSettings(name, "openai", base_url))
    assert (found.facts if found else None) == facts


@pytest.mark.parametrize(
    ("provider", "name", "context"),
    [
        ("amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000),
        ("amazon-bedrock", "apac.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000),
        ("google-vertex", "anthropic/claude-sonnet-4-5@20250929", 200_000),
        ("google-vertex", "publishers/google/models/gemini-2.5-pro", 1_048_576),
        ("azure", "gpt-4o-2024-08-06", 128_000),
        ("openrouter", "openai/gpt-4o:nitro", 128_000),
        ("google", "models/gemini-2.5-flash", 1_048_576),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::ab12", 128_000),
        ("fireworks-ai", "accounts/fireworks/models/deepseek-v4-pro", 1_000_000),
    ],
)
def test_a_providers_model_is_found_in_every_spelling(provider: str, name: str, context: int) -> None:
    known = FACTS.find(vendor(provider), name)
    assert known is not None
    assert known.at_home
    assert known.facts.context == context


def test_a_model_that_its_provider_does_not_list_has_its_makers_abilities() -> None:
    known = FACTS.find(None, "someone/claude-sonnet-4.5")
    assert known is not None
    assert not known.at_home
    assert known.facts is FACTS.providers["anthropic"]["claude-sonnet-4-5"]
    assert FACTS.find(vendor("azure"), "gpt-35-turbo") is not None
    assert FACTS.find(vendor("openai"), "gpt-of-tomorrow") is None


def test_a_price_has_its_steps() -> None:
    rates = [Rates(input=3.0, output=9.0, min_context=200_000), Rates(input=1.0, output=4.0, cache_read=0.1)]
    price = msgspec.structs.replace(TEXT, usd_per_million=rates).price
    assert price is not None
    assert (price.input_usd, price.cached_input_usd, price.output_usd) == pytest.approx((1e-6, 1e-7, 4e-6))
    assert price.at(200_001).input_usd == pytest.approx(3e-6)
    assert TEXT.price is None


def own_file(path: Path, as_of: str, **providers: Any) -> Path:
    path.write_text(json.dumps({"source": "mine", "as_of": as_of, "providers": providers}))
    return path


def settings(directory: Path, models_file: Path | None = None) -> Settings:
    url = f"sqlite:///{directory / 'ledger.db'}"
    return Settings(database_url=url, models_file=None if models_file is None else str(models_file))


NEW = {"gpt-7": {"in": ["text"], "out": ["text"], "tools": True, "context": 9}}


def test_a_newer_file_beside_the_database_is_set_above_what_ships(tmp_path: Path) -> None:
    path = facts_path(settings(tmp_path))
    assert path == tmp_path / "ledger.models.json"
    own_file(path, "2099-01-01", openai=NEW)
    notices: list[str] = []
    facts = load_facts(settings(tmp_path), notices)
    assert facts.providers["openai"]["gpt-7"].context == 9
    assert facts.providers["openai"]["gpt-4o"] == FACTS.providers["openai"]["gpt-4o"]
    assert notices == []


def test_an_older_file_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    path = own_file(tmp_path / "ledger.models.json", "2000-01-01", openai=NEW)
    notices: list[str] = []
    assert "gpt-7" not in load_facts(settings(tmp_path), notices).providers["openai"]
    assert notices == [f"{path} is of 2000-01-01, older than the facts that ship ({FACTS.as_of}): it is not used"]


def test_a_configured_file_that_is_missing_is_told_of(tmp_path: Path) -> None:
    notices: list[str] = []
    load_facts(settings(tmp_path, tmp_path / "none.json"), notices)
    assert notices == [
        f"there is no {tmp_path / 'none.json'} yet: the facts on models of {FACTS.as_of} that ship are used"
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"source":"x","as_of":"2099-01-01","providers":{"a":{"b":{}}}}']
)
def test_a_broken_file_is_an_error_with_its_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger.models.json").write_text(text)
    with pytest.raises(SettingsError, match="write it anew with `bandit-gateway models refresh`, or remove it"):
        load_facts(settings(tmp_path), [])


def test_postgresql_has_no_place_of_its_own_for_a_file() -> None:
    assert facts_path(Settings(database_url="postgresql://h/d")) is None
    assert facts_path(Settings(database_url="postgresql://h/d", models_file="/x/m.json")) == Path("/x/m.json")


def test_facts_of_unknown_providers_are_found_by_name_too() -> None:
    facts = ModelFacts({"acme": {"big": TEXT}}, "2026-01-01")
    known = facts.find(None, "acme/big")
    assert known is not None
    assert known.facts is TEXT
