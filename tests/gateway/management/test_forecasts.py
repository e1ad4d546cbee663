"""What was expected of a change stands beside what then happened, once a day has passed."""

import pytest

from bandit.types import Epoch
from gateway.dashboard.views.forecasts import forecast_of
from gateway.management.changes import ActorView, ChangeView
from gateway.management.context import Management
from storage.database.engine import Database
from storage.records import Actor, Via
from tests.support.records import NOW, RecordMaker, RunningWriter, later

HOUR = 3_600.0
CHANGE = ChangeView(
    id="chg_1",
    at=NOW,
    actor=ActorView(via="dashboard", key_id=None, label=None),
    action="router.update",
    target="rtr_a",
    before={},
    after={"objective": {"quality_usd": 0.001}},
    request_id=None,
    reverted_by=None,
    forecast={
        "days": 30,
        "figures": {
            "cost_usd": {"mean": 0.00182, "low": 0.00166, "high": 0.00198},
            "quality": {"mean": 0.916, "low": 0.905, "high": 0.927},
        },
    },
)


def told_at(database: Database, now: float, change: ChangeView = CHANGE) -> str:
    none: dict[str, object] = {}
    management = Management(database, lambda: none, Actor(Via.CLI, None, None), now, "")  # type: ignore[arg-type, return-value]  # no catalog is needed
    return forecast_of(management, change)


def test_an_expectation_is_compared_after_a_day_with_the_week_that_followed(database: Database) -> None:
    running, making = RunningWriter(database), RecordMaker()
    records = [making.completion(at=later(each * HOUR), cost_usd=0.002) for each in (-30, -2, 5, 10, 20, 24 * 9)]
    running.write(*records)
    running.write((making.score(records[2].decision.completion_id, 0.5),))
    running.writer.close()
    expected = "Expected: $1.82 ± $0.16 per 1,000 requests"
    assert told_at(database, later(20 * HOUR)) == (
        f"{expected}; a mean score of 0.916 ± 0.011. Compared with what happens after a day."
    )
    assert told_at(database, later(25 * HOUR)) == (
        f"{expected}, it is $2.00; a mean score of 0.916 ± 0.011, it is 0.500 (3 requests since)."
    )
    assert told_at(database, later(20 * 24 * HOUR)).endswith("(3 requests since).")


@pytest.mark.parametrize("change", [{"forecast": None}, {"reverted_by": "chg_2"}])
def test_nothing_is_told_of_a_change_that_was_undone_or_had_no_forecast(
    database: Database, change: dict[str, object]
) -> None:
    assert told_at(database, Epoch(later(2e6)), CHANGE.model_copy(update=change)) == ""
