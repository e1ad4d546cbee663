"""A gateway with simulated models, and browsers without a screen: HTTP clients that keep cookies."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from bandit.types import Epoch
from gateway.api_keys import new_key
from storage.stores.keys import Keys
from tests.support.gateway import Running, run_gateway
from tests.support.waiting import wait_until

SIMULATED = '"simulated/swift", "simulated/steady", "simulated/sage"'
CONFIGURATION = f"""
[routers.rtr_support]
name = "Support replies"
models = [{SIMULATED}]
[routers.rtr_code]
models = [{SIMULATED}]
"""

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"
"""A name that would be markup, if a page took it for that."""
HOSTILE_MODEL = f"elsewhere/{HOSTILE}"
HOSTILE_ROUTER = f"""
[providers.elsewhere]
base_url = "http://127.0.0.1:1/v1"
[models.{json.dumps(HOSTILE_MODEL)}]
input_usd_per_million = 1
output_usd_per_million = 1
[routers.rtr_hostile]
name = {json.dumps(HOSTILE)}
models = [{json.dumps(HOSTILE_MODEL)}, "simulated/swift"]
"""

Visitor = Callable[[str], httpx.Client]
"""Signs in with one of the gateway's keys."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("dashboard")
    text = f'database_url = "sqlite:///{folder / "ledger.db"}"\n{CONFIGURATION}{HOSTILE_ROUTER}'
    with run_gateway(text, folder) as gateway:
        keys = dict(gateway.keys)
        for label, scopes, routers in (("reader", ("read",), None), ("some", ("admin",), ("rtr_code",))):
            keys[label] = add_key(gateway, label, scopes, routers)
        yield replace(gateway, keys=keys)


def add_key(gateway: Running, label: str, scopes: tuple[str, ...], routers: tuple[str, ...] | None = None) -> str:
    """Add a key and wait until the gateway knows it."""
    secret, record = new_key(label, scopes, routers, now=Epoch(gateway.gateway.database.clock.now()))
    Keys(gateway.gateway.database).add(record)
    with gateway.http(secret) as client:
        wait_until(lambda: client.get("/admin/routers").status_code != 401, f"the key {label} is known")
    return secret


@pytest.fixture(scope="module")
def visitor(running: Running) -> Iterator[Visitor]:
    opened: list[httpx.Client] = []

    def sign_in(key: str) -> httpx.Client:
        client = httpx.Client(base_url=running.url, timeout=60, headers={"sec-fetch-site": "same-origin"})
        opened.append(client)
        assert client.post("/sign-in", data={"key": running.keys.get(key, key)}).status_code == 303
        return client

    yield sign_in
    for client in opened:
        client.close()


@pytest.fixture(scope="module")
def admin(visitor: Visitor) -> httpx.Client:
    return visitor("admin")


@pytest.fixture(scope="module")
def reader(visitor: Visitor) -> httpx.Client:
    return visitor("reader")
