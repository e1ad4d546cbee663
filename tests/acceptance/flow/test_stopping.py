"""A gateway that is stopped for good, while requests are under way, has an outcome for each of them."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from storage.database.engine import open_database
from storage.stores.ledger import Ledger
from tests.acceptance.flow.faulty import models_text
from tests.support.faulty_provider.server import serve_faults
from tests.support.gateway import GatewayProcess
from tests.support.threads import on_a_thread
from tests.support.waiting import wait_until

BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
FAULTS = {"hang": (False, "failed"), "stall": (True, "partial"), "mute": (True, "failed")}
"""Model → whether it is asked for a stream, and the outcome's status."""


def test_a_second_signal_breaks_off_what_runs_and_it_is_told_and_recorded(tmp_path: Path) -> None:
    with on_a_thread(serve_faults()) as provider, ThreadPoolExecutor(len(FAULTS)) as threads:
        text = f'[providers.p]\nbase_url = "{provider.base_url}"\n' + models_text(*(f"p/{fault}" for fault in FAULTS))
        text += "".join(f'[routers.rtr_{fault}]\nmodels = ["p/{fault}"]\n' for fault in FAULTS)
        with GatewayProcess(tmp_path, text) as gateway:
            asked = [threads.submit(_ask, gateway, fault, stream) for fault, (stream, _) in FAULTS.items()]
            wait_until(lambda: provider.requests.keys() >= FAULTS.keys(), "all requests are under way")
            gateway.send_signal(signal.SIGTERM)
            gateway.send_signal(signal.SIGINT)
            whole, cut, early = (future.result(60) for future in asked)
            assert gateway.wait() == 0, gateway.output
    assert (whole.status_code, early.status_code, cut.status_code) == (503, 503, 200)
    assert whole.headers["retry-after"] == "1"
    assert "the gateway is being stopped" in cut.text.splitlines()[-2]
    assert "[DONE]" not in cut.text
    assert "Traceback" not in gateway.output
    with closing(open_database(f"sqlite:///{tmp_path / 'bandit-gateway.db'}")) as database:
        for fault, (_, status) in FAULTS.items():
            (view,) = Ledger(database).decisions(f"rtr_{fault}").views
            assert view.outcome.status == status
            assert view.outcome.cost_usd > 0.0


def _ask(gateway: GatewayProcess, fault: str, stream: bool) -> httpx.Response:
    with gateway.client() as http:
        return http.post(f"/rtr_{fault}/chat/completions", json={**BODY, "stream": stream})
