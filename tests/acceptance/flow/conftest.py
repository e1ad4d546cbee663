"""A real gateway on a socket, with a real database and scripted providers, for tests with the real client."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from gateway.api_keys import new_key
from gateway.app import Gateway
from gateway.catalog.catalog import Catalog
from gateway.routing.cooldowns import Cooldowns
from gateway.serving.bootstrap import prepare
from gateway.settings import load
from storage.database.engine import open_database
from storage.stores.keys import Keys
from tests.acceptance.flow.scripted import Received, scripted, serving

ROUTERS = {
    "rtr_good": (["good-a", "good-b"], 'policy = "uniform"\n'),
    "rtr_seeing": (["good-a", "seeing"], ""),
    "rtr_second": (["good-a"], ""),
    "rtr_failover": (["status-500", "good-a"], 'policy = "fixed:p/status-500"\n'),
    "rtr_cutfirst": (["empty", "good-a"], 'policy = "fixed:p/empty"\n'),
    "rtr_500": (["status-500", "status-503"], ""),
    "rtr_429": (["status-429"], ""),
    "rtr_400": (["status-400"], ""),
    "rtr_413": (["status-413"], ""),
    "rtr_422": (["status-422"], ""),
    "rtr_401": (["status-401"], ""),
    "rtr_mute": (["mute"], "request_timeout_seconds = 0.5\n"),
    "rtr_cut": (["cut"], ""),
    "rtr_endless": (["endless"], ""),
    "rtr_quiet": (["mute"], ""),
    "rtr_thinks": (["thinks"], ""),
    "rtr_thinkscut": (["thinks-cut", "good-a"], 'policy = "fixed:p/thinks-cut"\n'),
}
"""Router id → the scripted models behind it, and its other settings."""


@dataclass
class Running:
    """The gateway under test and the keys to it. `official` is closed at the end, and with it its copies."""

    url: str
    gateway: Gateway
    keys: dict[str, str]
    official: OpenAI
    received: Received = field(default_factory=Received)

    def client(self, router_id: str = "rtr_good", key: str = "routing") -> OpenAI:
        # A client of its own for each test would be collected with its sockets open: a ResourceWarning, now and then.
        return self.official.with_options(base_url=f"{self.url}/{router_id}", api_key=self.keys.get(key, key))

    def http(self, key: str | None = "routing") -> httpx.Client:
        headers = {} if key is None else {"authorization": f"Bearer {self.keys.get(key, key)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def forget_cooldowns(self) -> None:
        """Let every model be tried again, whatever happened to it in another test."""
        flow = self.gateway.flow
        flow.services = replace(flow.services, cooldowns=Cooldowns())


def configuration(provider_url: str, directory: Path) -> str:
    models = sorted({model for names, _ in ROUTERS.values() for model in names})
    text = f'database_url = "sqlite:///{directory / "ledger.db"}"\n[providers.p]\nbase_url = "{provider_url}/v1"\n'
    for model in models:
        abilities = '["tools", "json_schema"]' if model.startswith("good") else "[]"
        abilities = '["vision"]' if model == "seeing" else abilities
        text += f'[models."p/{model}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'
        text += f"cached_input_usd_per_million = 0.5\nabilities = {abilities}\ncontext_window = 100000\n"
    for router_id, (names, options) in ROUTERS.items():
        listed = ", ".join(f'"p/{name}"' for name in names)
        text += f"[routers.{router_id}]\nmodels = [{listed}]\n{options}"
    return text


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("gateway")
    received = Received()
    with (
        serving(scripted(received)) as provider_url,
        run_gateway(configuration(provider_url, directory), directory) as gateway,
    ):
        yield replace(gateway, received=received)


@contextmanager
def run_gateway(configured: str, directory: Path, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A gateway on a socket with this configuration, and keys of every kind to it."""
    config = directory / "bandit-gateway.toml"
    config.write_text(configured)
    settings = load(config, environ or {})
    database = open_database(settings.database_url)
    catalog = Catalog(settings, datetime.now(UTC))
    prepare(settings, catalog, database, time.time())
    keys = _add_keys(Keys(database), time.time())
    gateway = Gateway(settings, database, catalog)
    with serving(gateway) as url, OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as official:
        yield Running(url, gateway, keys, official)
    database.close()


def _add_keys(store: Keys, now: float) -> dict[str, str]:
    wanted = {
        "routing": (("routing",), None, None),
        "other": (("routing",), None, None),
        "feedback": (("feedback",), None, None),
        "second": (("routing",), ("rtr_second",), None),
        "expired": (("routing",), None, now - 1),
        "revoked": (("routing",), None, None),
        "admin": (("admin",), None, None),
    }
    secrets = {}
    for label, (scopes, routers, expires_at) in wanted.items():
        secrets[label], record = new_key(label, scopes, routers, expires_at, now=now)
        store.add(record)
        if label == "revoked":
            store.revoke(record.id, now)
    return secrets
