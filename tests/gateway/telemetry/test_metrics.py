"""What is counted of API keys stays bounded, and whose scores they were is told."""

from collections.abc import Iterator

import pytest

from gateway.errors import InvalidApiKey, NotFound, RateLimitExceeded
from gateway.telemetry import told_keys as module
from gateway.telemetry.cells import NOT_TOLD, Board
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.families import SPENT_USD
from gateway.telemetry.metrics import Metrics


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    yield made
    made.close()


def test_a_worker_tells_some_keys_apart_and_counts_the_others_together(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEYS", 2)
    metrics = Metrics(board.open())
    for key_id in ("key_a", "key_b", "key_c", "key_d", "key_a"):
        metrics.not_scored(NotFound("no completion", code="completion_not_found"), key_id)
        metrics.refused("rtr_a", RateLimitExceeded("too many", kind="requests"), key_id)
    metrics.not_scored(InvalidApiKey("no key"), None)
    text = Exposition(board).text().decode()
    for name, label in (("feedback", 'result="unknown",router=""'), ("ratelimited", 'kind="requests"')):
        counts = [
            line for line in text.splitlines() if line.startswith(f"bandit_gateway_{name}_total") and label in line
        ]
        assert [line.rpartition(" ")[2] for line in counts] == ["2.0", "1.0", "2.0"]
        assert ['key="key_a"' in counts[0], 'key="key_b"' in counts[1], 'key="other"' in counts[2]] == [True] * 3
    assert 'bandit_gateway_feedback_total{key="",result="refused",router=""} 1.0' in text


def test_calls_of_the_management_api_are_timed_by_route_and_others_are_not(board: Board) -> None:
    metrics = Metrics(board.open())
    for route in ("/admin/routers/{router_id}", "/metrics", "", "/routers/{router_id}"):
        metrics.answered(route, "GET", 200, 0.03)
    text = Exposition(board).text().decode()
    assert 'bandit_gateway_admin_request_seconds_count{route="/admin/routers/{router_id}"} 1.0' in text
    assert text.count("bandit_gateway_admin_request_seconds_count{") == 1


def test_a_gauge_that_is_not_told_has_no_sample(board: Board) -> None:

    cells = board.open()
    for value, scope in ((NOT_TOLD, "key"), (1.5, "router")):
        cells.values[cells.start_of(SPENT_USD, scope, "id")] = value
    samples = [line for line in Exposition(board).text().decode().splitlines() if line.startswith(SPENT_USD.name)]
    assert samples == ['bandit_gateway_budget_spent_usd{id="id",scope="router"} 1.5']
