"""A gateway in this process before a scripted provider, for tests with the real client."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app

ROUTERS = {
    "rtr_good": (["good-a", "good-b"], 'policy = "uniform"\n'),
    "rtr_seeing": (["good-a", "seeing"], ""),
    "rtr_second": (["good-a"], ""),
    "rtr_counted": (["good-a"], ""),
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
    "rtr_plain": (["good-plain"], ""),
    "rtr_free": (["good-free"], ""),
    "rtr_thinks": (["thinks"], ""),
    "rtr_thinkscut": (["thinks-cut", "good-a"], 'policy = "fixed:p/thinks-cut"\n'),
}
"""Router id → the scripted models behind it, and its other settings."""


def configuration(provider_url: str, directory: Path) -> str:
    models = sorted({model for names, _ in ROUTERS.values() for model in names})
    text = f'database_url = "sqlite:///{directory / "ledger.db"}"\n[providers.p]\nbase_url = "{provider_url}/v1"\n'
    for model in models:
        abilities = '["tools", "json_schema"]' if model.startswith("good") else "[]"
        abilities = '["vision"]' if model == "seeing" else abilities
        input_usd, cached_usd, output_usd = (0, 0, 0) if model == "good-free" else (1.0, 0.5, 2.0)
        text += f'[models."p/{model}"]\ninput_usd_per_million = {input_usd}\noutput_usd_per_million = {output_usd}\n'
        text += f"cached_input_usd_per_million = {cached_usd}\nabilities = {abilities}\ncontext_window = 100000\n"
        text += "stream = false\n" if model == "good-plain" else ""
    for router_id, (names, options) in ROUTERS.items():
        listed = ", ".join(f'"p/{name}"' for name in names)
        text += f"[routers.{router_id}]\nmodels = [{listed}]\n{options}"
    return text


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("gateway")
    received = Received()
    with (
        serve_app(scripted(received)) as provider_url,
        run_gateway(configuration(provider_url, directory), directory) as gateway,
    ):
        yield replace(gateway, received=received)
