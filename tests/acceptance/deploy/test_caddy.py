"""Caddy's example in front of two gateways."""

import contextlib
import signal
from pathlib import Path
from typing import Any

from tests.support.gateway import GatewayProcess
from tests.support.proxies import caddy
from tests.support.threads import serve_app
from tests.support.ticking_provider import TickingProvider
from tests.support.waiting import wait_until

BODY: Any = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}


def test_streams_flow_operators_paths_are_closed_and_a_stopped_gateway_is_left_in_time(tmp_path: Path) -> None:
    provider = TickingProvider()
    with serve_app(provider) as url, contextlib.ExitStack() as ended:
        ended.callback(provider.enough.set)  # else the provider would not stop
        text = f'database_url = "sqlite:///{tmp_path}/ledger.db"\n[providers.p]\nbase_url = "{url}/v1"\n'
        text += '[models."p/m"]\n[routers.rtr_a]\nmodels = ["p/m"]\n'
        folders = (tmp_path / "one", tmp_path / "two")
        for folder in folders:
            folder.mkdir()
        with (
            GatewayProcess(folders[0], text, drain_seconds=8.0) as one,
            GatewayProcess(folders[1], text) as two,
            caddy(tmp_path, [one.port, two.port]) as proxy,
        ):
            proxy.headers["authorization"] = f"Bearer {two.key}"  # the last one started has set the key
            proxy.timeout = 60
            wait_until(lambda: _ask(proxy) == 200, "a gateway is found healthy")
            for path in ("/metrics", "/docs", "/docs/x", "/openapi.json", "/admin/reload"):
                answer = proxy.get(path)
                assert (answer.status_code, answer.text) == (404, "")
            with proxy.stream("POST", "/rtr_a/chat/completions", json={**BODY, "stream": True}) as stream:
                lines = stream.iter_lines()
                while "tick" not in next(lines):  # the stream goes on until it is told to end
                    pass
                one.send_signal(signal.SIGTERM)
                wait_until(lambda: one.readiness()[0] == 503, "it drains")
                statuses = {_ask(proxy) for _ in range(10)}
                provider.enough.set()
                rest = [line for line in lines if line]
                assert rest[-1:] == ["data: [DONE]"], (rest, one.output, two.output)
            assert one.wait() == 0
            assert statuses | {_ask(proxy) for _ in range(10)} == {200}


def _ask(proxy: Any) -> int:
    status: int = proxy.post("/rtr_a/chat/completions", json=BODY).status_code
    return status
