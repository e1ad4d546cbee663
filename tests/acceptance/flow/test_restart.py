"""A gateway that is killed loses nothing that it acknowledged, and goes on from what it has learned."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from bandit.types import Signal, StatisticKey, Sums
from storage.database.engine import open_database
from storage.stores.arms import Arms
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Write a Python function that adds two numbers."}]


class Process:
    """`bandit-gateway serve` with simulated models, as a user starts it."""

    def __init__(self, directory: Path, key: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environ = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        self._log = (directory / "serve.log").open("ab")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--port", str(port)],
            cwd=directory,
            env=environ | {"BANDIT_GATEWAY_ADMIN_KEY": key},
            stdout=self._log,
            stderr=self._log,
        )
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {key}"}, timeout=60
        )
        wait_until(lambda: self._child.poll() is not None or self._ready(), "the gateway is ready or has ended", 60)
        assert self._child.poll() is None, (directory / "serve.log").read_text()

    def _ready(self) -> bool:
        try:
            return self.http.get("/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def complete(self, router_id: str = "rtr_default") -> dict[str, Any]:
        response = self.http.post(
            f"/{router_id}/chat/completions", json={"model": "dari/routing", "messages": MESSAGES, "max_tokens": 5}
        )
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def score(self, completion_id: str, score: float) -> str:
        response = self.http.post("/feedback", json={"completion_id": completion_id, "score": score})
        assert response.status_code == 200, response.text
        return str(response.json()["status"])

    def stop(self, signal_number: int) -> int:
        self.http.close()
        self._child.send_signal(signal_number)
        status = self._child.wait(60)
        self._log.close()
        return status


def learned(directory: Path) -> dict[StatisticKey, Sums]:
    database = open_database(f"sqlite:///{directory / 'bandit-gateway.db'}")
    try:
        return Arms(database).sums("rtr_default")
    finally:
        database.close()


def total_weight(sums: dict[StatisticKey, Sums], signal_name: Signal) -> float:
    return sum(value.weight for key, value in sums.items() if key.signal is signal_name)


@pytest.fixture
def key() -> str:
    return "sk-bg-for-this-test-alone"


def test_after_a_kill_everything_acknowledged_is_there_and_counts_once(tmp_path: Path, key: str) -> None:
    first = Process(tmp_path, key)
    answers = [first.complete() for _ in range(12)]
    statuses = [first.score(answer["id"], 0.75) for answer in answers[:8]]
    assert statuses == ["recorded"] * 8
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL

    after_kill = learned(tmp_path)
    assert total_weight(after_kill, Signal.OUTCOMES) == 12
    assert total_weight(after_kill, Signal.QUALITY) == pytest.approx(8, abs=1e-3)

    second = Process(tmp_path, key)
    assert second.score(answers[0]["id"], 0.75) == "unchanged"
    assert second.score(answers[11]["id"], 0.5) == "recorded"
    second.complete()
    assert second.stop(signal.SIGTERM) == 0

    after_restart = learned(tmp_path)
    assert total_weight(after_restart, Signal.OUTCOMES) == 13
    assert total_weight(after_restart, Signal.QUALITY) == pytest.approx(9, abs=1e-3)
