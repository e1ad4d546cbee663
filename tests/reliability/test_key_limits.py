"""Several workers grant one key little more than its limit."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import GatewayProcess
from tests.support.waiting import wait_until

WORKERS = 4
CLIENTS = 12
LIMIT = 60
MOST_UNHEARD_SECONDS = 1.2
BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
CONFIGURATION = 'database_url = "{url}"\n[routers.rtr_default]\nmodels = ["simulated/swift"]\n'


@pytest.fixture
def gateway(postgresql_url: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path, CONFIGURATION.format(url=postgresql_url), workers=WORKERS) as running:
        yield running


def test_four_workers_overrun_a_limit_by_what_they_have_not_heard_of_one_another(gateway: GatewayProcess) -> None:
    with gateway.client() as admin:
        body = {"label": "bot", "key_type": "routing", "limits": {"requests_per_minute": LIMIT}}
        key = admin.post("/admin/api-keys", json=body).raise_for_status().json()
    began = time.monotonic()
    granted: list[float] = []  # when each ended
    refused, lock = 0, threading.Lock()

    def ask_until_refused(_: int) -> None:
        nonlocal refused
        while True:
            with httpx.Client(base_url=gateway.url, timeout=60.0, trust_env=False) as http:  # to any worker
                headers = {"authorization": f"Bearer {key['secret']}"}
                answer = http.post("/rtr_default/chat/completions", json=BODY, headers=headers)
            with lock:
                if answer.status_code == 200:
                    granted.append(time.monotonic() - began)
                    refused = 0
                elif answer.status_code == 429:
                    refused += 1
                if refused >= 10 * WORKERS:
                    return

    wait_until(lambda: works(gateway, key["secret"]), "all workers know the key")
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask_until_refused, range(CLIENTS)))
    seconds = time.monotonic() - began
    allowed = LIMIT * (1.0 + seconds / 60.0)
    unheard = max(sum(at - MOST_UNHEARD_SECONDS <= other <= at for other in granted) for at in granted)
    assert LIMIT <= len(granted) <= min(allowed + unheard + CLIENTS, WORKERS * allowed)


def works(gateway: GatewayProcess, secret: str) -> bool:
    headers = {"authorization": f"Bearer {secret}"}
    answers = [httpx.get(f"{gateway.url}/rtr_default/models", headers=headers, trust_env=False) for _ in range(12)]
    return all(answer.status_code == 200 for answer in answers)
