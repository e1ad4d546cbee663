"""The documentation says what the code does: its examples load, and every setting is listed."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.catalog.catalog import Catalog
from gateway.settings import ABILITIES, load
from gateway.settings.presets import PRESETS
from gateway.settings.router_options import DEFAULT_OPTIONS, OPTION_KEYS

ROOT = Path(__file__).parents[3]
REFERENCE = (ROOT / "docs" / "configuration.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def test_the_readmes_configuration_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(example)
    settings = load(path, {"OPENAI_API_KEY": "k"})
    assert len(list(Catalog(settings, datetime.now(UTC)))) == 3


@pytest.mark.parametrize("key", [key for key in OPTION_KEYS if key != "automatic_models"])
def test_every_router_option_is_in_the_reference(key: str) -> None:
    rows = [line for line in REFERENCE.splitlines() if line.startswith("|") and f"`{key}`" in line]
    assert rows, key


@pytest.mark.parametrize(
    "key", ["exploration", "temperature", "request_timeout_seconds", "max_attempts", "retention_days"]
)
def test_the_reference_tells_the_defaults_as_they_are(key: str) -> None:
    (row,) = [line for line in REFERENCE.splitlines() if line.startswith(f"| `{key}`")]
    default = getattr(DEFAULT_OPTIONS, key)
    assert f"`{default:g}`" in row


def test_every_providers_variable_and_every_ability_is_documented() -> None:
    for preset in PRESETS.values():
        assert preset.variable in REFERENCE
        assert preset.variable in README
    for ability in ABILITIES:
        assert f'`"{ability}"`' in REFERENCE
