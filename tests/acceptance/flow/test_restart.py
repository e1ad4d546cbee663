"""A gateway that is killed loses nothing that it acknowledged, and goes on from what it has learned."""

from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import open_database
from storage.stores.arms import Arms
from tests.support.gateway import GatewayProcess

MESSAGES: Any = [{"role": "user", "content": "Write a Python function that adds two numbers."}]


def complete(http: httpx.Client) -> dict[str, Any]:
    body = {"model": "dari/routing", "messages": MESSAGES, "max_tokens": 5}
    response = http.post("/rtr_default/chat/completions", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def score(http: httpx.Client, completion_id: str, score: float) -> str:
    response = http.post("/feedback", json={"completion_id": completion_id, "score": score})
    assert response.status_code == 200, response.text
    return str(response.json()["status"])


def learned(directory: Path) -> dict[StatisticKey, Sums]:
    with closing(open_database(f"sqlite:///{directory / 'bandit-gateway.db'}")) as database:
        return Arms(database).sums("rtr_default")


def total_weight(sums: dict[StatisticKey, Sums], signal_name: Signal) -> float:
    return sum(value.weight for key, value in sums.items() if key.signal is signal_name)


def test_after_a_kill_everything_acknowledged_is_there_and_counts_once(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, "") as gateway:
        with gateway.client() as http:
            answers = [complete(http) for _ in range(12)]
            statuses = [score(http, answer["id"], 0.75) for answer in answers[:8]]
        assert statuses == ["recorded"] * 8
        gateway.kill()

        after_kill = learned(tmp_path)
        assert total_weight(after_kill, Signal.OUTCOMES) == 12
        assert total_weight(after_kill, Signal.QUALITY) == pytest.approx(8, abs=1e-3)

        gateway.start()
        with gateway.client() as http:
            assert score(http, answers[0]["id"], 0.75) == "unchanged"
            assert score(http, answers[11]["id"], 0.5) == "recorded"
            complete(http)
        assert gateway.stop() == 0

    after_restart = learned(tmp_path)
    assert total_weight(after_restart, Signal.OUTCOMES) == 13
    assert total_weight(after_restart, Signal.QUALITY) == pytest.approx(9, abs=1e-3)
