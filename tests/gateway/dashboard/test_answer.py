"""The answer to a question to the log, as the page tells it."""

from gateway.dashboard.views.answer import sentence


def test_a_change_that_rounds_to_nothing_is_none() -> None:
    changes = {
        "cost_usd": {"low": -0.0005, "mean": -0.0004, "high": -0.0003},
        "quality": {"low": 1e-17, "mean": 2e-17, "high": 3e-17},
        "seconds": {"low": -0.2, "mean": -0.1, "high": 0.1},
    }
    told = sentence({"difference": changes})
    assert "spend $0.40 less ($0.30 to $0.50)" in told
    assert "mean score would not measurably change; mean wait would not measurably change" in told
