"""A setting turns the dashboard off."""

from pathlib import Path

import httpx
import pytest

from tests.support.gateway import run_gateway


@pytest.fixture
def without(tmp_path: Path) -> str:
    return f'database_url = "sqlite:///{tmp_path / "ledger.db"}"\ndashboard = false\n'


def test_without_the_dashboard_there_is_only_the_api(without: str, tmp_path: Path) -> None:
    with run_gateway(without, tmp_path) as gateway:
        for path in ("/", "/sign-in", "/keys", "/events"):
            assert httpx.get(f"{gateway.url}{path}").status_code == 404
        assert httpx.get(f"{gateway.url}/healthz").status_code == 200
