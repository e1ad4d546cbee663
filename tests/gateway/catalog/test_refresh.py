"""Renewing what is known of models, from models.dev's own file or one that was written here."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from gateway.catalog.facts import SHIPPED, Rates, read_facts
from gateway.catalog.refresh import UnusableFacts, read_source, write_facts
from gateway.cli.commands import app

DAY = date(2026, 12, 24)


def theirs(**changes: Any) -> dict[str, Any]:
    """A model as models.dev writes it."""
    return {
        "id": "m",
        "name": "M",
        "attachment": True,
        "reasoning": True,
        "temperature": False,
        "tool_call": True,
        "structured_output": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "open_weights": False,
        "limit": {"context": 1_000, "output": 100},
        "cost": {"input": 1.0, "output": 4.0, "cache_read": 0.1, "cache_write": 1.25},
    } | changes


def api_json(path: Path, models: dict[str, Any], provider: str = "openai") -> Path:
    many = {f"model-{number}": theirs() for number in range(60)}
    path.write_text(json.dumps({provider: {"id": provider, "models": many | models}, "unheard-of": {"models": many}}))
    return path


def test_models_devs_own_file_is_read(tmp_path: Path) -> None:
    tier = {"input": 2.0, "output": 8.0, "tier": {"type": "context", "size": 272_000}}
    models = {
        "Big": theirs(cost=theirs()["cost"] | {"tiers": [tier], "context_over_200k": {"input": 9.0, "output": 9.0}}),
        "old": theirs(cost={"input": 1.0, "output": 4.0, "context_over_200k": {"input": 2.0, "output": 8.0}}),
        "free": theirs(cost=None, tool_call={"supported": False}),
    }
    facts, wrong = read_source(api_json(tmp_path / "api.json", models), DAY)
    assert wrong == []
    assert facts.as_of == "2026-12-24"
    assert facts.providers.keys() == {"openai"}
    big, old, free = (facts.providers["openai"][name] for name in ("big", "old", "free"))
    assert (big.context, big.output, big.reasoning, big.files, big.temperature) == (1_000, 100, True, True, False)
    assert (big.structured_output, big.inputs) == (True, ["text", "image"])
    assert big.usd_per_million[1] == Rates(input=2.0, output=8.0, min_context=272_000)
    assert old.usd_per_million[1] == Rates(input=2.0, output=8.0, min_context=200_000)
    assert (free.price, free.tools) == (None, False)


def test_a_providers_models_are_taken_if_the_configuration_names_it(tmp_path: Path) -> None:
    facts, _ = read_source(api_json(tmp_path / "api.json", {}), DAY, named=["unheard-of"])
    assert facts.providers.keys() == {"openai", "unheard-of"}


def test_what_ships_is_written_as_it_was_read(tmp_path: Path) -> None:
    facts, wrong = read_source(SHIPPED, DAY)
    assert wrong == []
    write_facts(facts, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == SHIPPED.read_bytes()


def test_facts_in_this_packages_form_need_no_envelope(tmp_path: Path) -> None:
    path = tmp_path / "bare.json"
    path.write_bytes(msgspec.json.encode(read_facts(SHIPPED).providers))
    facts, wrong = read_source(path, DAY)
    assert wrong == []
    assert facts.providers == read_facts(SHIPPED).providers
    assert facts.as_of == "2026-12-24"


@pytest.mark.parametrize(
    "broken",
    [
        {"limit": {"context": -1, "output": 1}},
        {"cost": {"input": -1.0, "output": 1.0}},
        {"cost": {"input": 1.0}},
        {"tool_call": "yes"},
        {"modalities": None},
    ],
)
def test_a_model_that_cant_be_read_is_left_out_by_name(tmp_path: Path, broken: dict[str, Any]) -> None:
    facts, wrong = read_source(api_json(tmp_path / "api.json", {"bad": theirs(**broken)}), DAY)
    assert "bad" not in facts.providers["openai"]
    assert [why.partition(":")[0] for why in wrong] == ["openai/bad"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no JSON object of providers"),
        ("[1]", "is no JSON object of providers"),
        ("{}", "holds 0 models .* is it models.dev's api.json"),
        ('{"openai": {"models": {"m": {}}}}', r"holds 0 models .*\(openai/m: "),
        ('{"openai": 3}', r"holds 0 models .*\(openai: "),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "api.json"
    path.write_text(text)
    with pytest.raises(UnusableFacts, match=says):
        read_source(path, DAY)


def test_a_file_of_which_much_cant_be_read_is_refused(tmp_path: Path) -> None:
    models: dict[str, Any] = {f"bad-{number}": {} for number in range(10)}
    with pytest.raises(UnusableFacts, match="10 models can't be read"):
        read_source(api_json(tmp_path / "api.json", models), DAY)


def test_the_command_writes_beside_the_database_and_says_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = api_json(tmp_path / "api.json", {"bad": {}})
    done = CliRunner().invoke(app, ["models", "refresh", "--from", str(source), "--as-of", "2099-01-01"])
    assert done.exit_code == 0
    assert "bandit-gateway.models.json: 60 models of 1 providers, as of 2099-01-01" in done.output
    assert "left out: openai/bad" in done.output
    assert len(read_facts(tmp_path / "bandit-gateway.models.json").providers["openai"]) == 60


def test_the_command_refuses_loudly_and_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bandit-gateway.models.json").write_text("kept")
    (tmp_path / "api.json").write_text("{}")
    refused = CliRunner().invoke(app, ["models", "refresh", "--from", "api.json"])
    assert refused.exit_code == 1
    assert "holds 0 models" in refused.output
    assert (tmp_path / "bandit-gateway.models.json").read_text() == "kept"
    (tmp_path / "bandit-gateway.toml").write_text('database_url = "postgresql://h/d"')
    nowhere = CliRunner().invoke(app, ["models", "refresh", "--from", "api.json"])
    assert nowhere.exit_code == 2
    assert 'set models_file = "PATH"' in nowhere.output
