"""A gateway that is stopped for good, while requests are under way, has an outcome for each of them."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from storage.database.engine import open_database
from storage.stores.ledger import Ledger
from tests.acceptance.flow.faulty import models_text, serving_faults
from tests.support.waiting import wait_until

KEY = "an-admin-key-for-this-test"
BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
FAULTS = {"hang": (False, "failed"), "stall": (True, "partial"), "mute": (True, "failed")}
"""Model → whether it is asked for a stream, and the outcome's status."""


def test_a_second_signal_breaks_off_what_runs_and_it_is_told_and_recorded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with serving_faults() as (provider, _), ThreadPoolExecutor(len(FAULTS)) as threads:
        text = f'listen = "{url.removeprefix("http://")}"\n[providers.p]\nbase_url = "{provider.base_url}"\n'
        text += models_text(*(f"p/{fault}" for fault in FAULTS))
        text += "".join(f'[routers.rtr_{fault}]\nmodels = ["p/{fault}"]\n' for fault in FAULTS)
        (tmp_path / "bandit-gateway.toml").write_text(text)
        log = tmp_path / "serve.log"
        with log.open("wb") as output:
            gateway = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve"],
                cwd=tmp_path,
                env={**os.environ, "BANDIT_GATEWAY_ADMIN_KEY": KEY},
                stdout=output,
                stderr=output,
            )
        try:
            wait_until(lambda: gateway.poll() is not None or _answers(url), "the gateway is ready or has ended", 60)
            asked = [threads.submit(_ask, url, fault, stream) for fault, (stream, _) in FAULTS.items()]
            wait_until(lambda: provider.requests.keys() >= FAULTS.keys(), "all requests are under way")
            gateway.send_signal(signal.SIGTERM)
            gateway.send_signal(signal.SIGINT)
            whole, cut, early = (future.result(60) for future in asked)
            assert gateway.wait(60) == 0, log.read_text()
        finally:
            gateway.kill()
    assert (whole.status_code, early.status_code, cut.status_code) == (503, 503, 200)
    assert whole.headers["retry-after"] == "1"
    assert "the gateway is being stopped" in cut.text.splitlines()[-2]
    assert "[DONE]" not in cut.text
    assert "Traceback" not in log.read_text()
    database = open_database(f"sqlite:///{tmp_path / 'bandit-gateway.db'}")
    for fault, (_, status) in FAULTS.items():
        (view,) = Ledger(database).decisions(f"rtr_{fault}").views
        assert view.outcome.status == status
        assert view.outcome.cost_usd > 0.0
    database.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _ask(url: str, fault: str, stream: bool) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}"}
    path = f"{url}/rtr_{fault}/chat/completions"
    return httpx.post(path, json={**BODY, "stream": stream}, headers=headers, timeout=60)
