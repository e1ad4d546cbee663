"""A gateway that is stopped for good, while requests are under way, has an outcome for each of them."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

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
    said: set[str] = set()
    with on_a_thread(serve_faults()) as provider, ThreadPoolExecutor(len(FAULTS)) as threads:
        text = f'[providers.p]\nbase_url = "{provider.base_url}"\n' + models_text(*(f"p/{fault}" for fault in FAULTS))
        text += "".join(f'[routers.rtr_{fault}]\nmodels = ["p/{fault}"]\n' for fault in FAULTS)
        with GatewayProcess(tmp_path, text) as gateway:
            asked = [threads.submit(_ask, gateway, fault, stream, said) for fault, (stream, _) in FAULTS.items()]
            wait_until(lambda: provider.requests.keys() >= FAULTS.keys(), "all requests are under way")
            wait_until(lambda: "stall" in said, "the stream has begun")
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


def test_after_sigterm_it_is_not_ready_and_serves_until_it_is_drained(tmp_path: Path) -> None:
    text = '[routers.rtr_a]\nmodels = ["simulated/swift"]\n'
    with GatewayProcess(tmp_path, text, drain_seconds=2.0) as gateway, gateway.client() as http:
        kept = http.post("/rtr_a/chat/completions", json=BODY)
        assert "connection" not in kept.headers
        gateway.send_signal(signal.SIGTERM)
        wait_until(lambda: gateway.readiness()[0] == 503, "it is not ready")
        assert "is being stopped" in gateway.readiness()[1]
        served = http.post("/rtr_a/chat/completions", json=BODY)
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        assert http.get("/healthz").status_code == 200
        assert gateway.wait() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_ends_the_drain(tmp_path: Path, workers: int) -> None:
    text = '[routers.rtr_a]\nmodels = ["simulated/swift"]\n'
    with GatewayProcess(tmp_path, text, workers=workers, drain_seconds=600.0) as gateway:
        gateway.send_signal(signal.SIGTERM)
        wait_until(lambda: gateway.readiness()[0] == 503, "it is not ready")
        assert gateway.stop() == 0, "within seconds, not after ten minutes"


def test_ctrl_c_does_not_drain(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, '[routers.rtr_a]\nmodels = ["simulated/swift"]\n', drain_seconds=600.0) as gateway:
        assert gateway.stop(signal.SIGINT) == 0


def _ask(gateway: GatewayProcess, fault: str, stream: bool, said: set[str]) -> httpx.Response:
    """The whole answer; its fault is among what was `said` as soon as the headers are there."""
    body = {**BODY, "stream": stream}
    with gateway.client() as http, http.stream("POST", f"/rtr_{fault}/chat/completions", json=body) as answer:
        said.add(fault)
        answer.read()
        return answer
