"""Activity counts each request, call and score once, in the cells of its model, minute, hour, day and class."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from bandit.types import Epoch
from storage.activity import COUNTS, WAIT_EDGES, ActivityCounts
from storage.calendar import DAY, HOUR, MINUTE
from storage.database import schema
from storage.database.engine import Database, connect, open_database
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.records import CompletionRecord, RouterRecord, Status
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.tables import activity
from tests.support.records import NOW, RecordMaker, RunningWriter, later

START = Epoch(NOW - NOW % DAY)


def cells(database: Database) -> dict[tuple[int, str, str], dict[str, float]]:
    """What is not zero in each cell of `rtr_a` in its first minute, hour and day, by width, model and task."""
    with database.read() as connection:
        rows = connection.execute(select(activity).where(activity.c.router_id == "rtr_a", activity.c.start == START))
        return {
            (row.width, row.model_id, row.task): {name: row._mapping[name] for name in COUNTS if row._mapping[name]}
            for row in rows
        }


def ended(record: CompletionRecord, **changes: Any) -> CompletionRecord:
    return replace(record, outcome=replace(record.outcome, **changes))


def test_a_request_counts_in_the_cells_of_what_it_drew_called_and_was_answered_by(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    redrawn = making.completion(at=START, attempts=2, cost_usd=0.5)
    running.write(replace(redrawn, decision=replace(redrawn.decision, explored=True)))
    running.write((making.score(redrawn.decision.completion_id, 0.25),))
    running.write((making.score(redrawn.decision.completion_id, 0.75),))
    drawn = {"requests": 1, "redrawn": 1, "explored": 1}
    call = {"attempts": 1, "prompt_tokens": 100, "completion_tokens": 50, "cost_usd": 0.25}
    answer = {"answered": 1, "seconds": 0.5, "w6": 1, "overhead_seconds": 0.001}
    score = {"scored": 1, "score": 0.75, "score_squares": 0.5625}
    expected = {
        (width, model_id, task): pytest.approx(own)
        for width, task in ((MINUTE, ""), (HOUR, "code"), (DAY, ""))
        for model_id, own in (
            ("m/failing", {**drawn, **call, "failures": 1}),
            ("m/one", {**answer, **call, **score}),
        )
    }
    assert cells(database) == expected


def test_every_request_ends_in_one_way(making: RecordMaker) -> None:
    counted = ActivityCounts()
    for status, http_status in (
        *((status, 200) for status in Status),
        (Status.FAILED, 502),
        (Status.FAILED, 500),
    ):
        record = ended(making.completion(status=status, at=START), http_status=http_status)
        counted.add_request(record.decision, record.outcome, record.attempts)
    (counts,) = (counts for cell, counts in counted.cells().items() if cell.width == DAY)
    found = dict(zip(COUNTS, counts, strict=True))
    ends = ("answered", "failed_provider", "failed_own", "rejected", "client_gone")
    assert found["requests"] == sum(found[name] for name in ends) == 7
    assert [found[name] for name in (*ends, "partial")] == [2, 2, 1, 1, 1, 1]


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=20))
def test_a_wait_is_counted_between_the_edges_of_its_half_octave(waits: list[float]) -> None:
    counted, expected = ActivityCounts(), Counter[str]()
    making = RecordMaker()
    for seconds in waits:
        record = ended(making.completion(at=START), seconds=seconds)
        counted.add_request(record.decision, record.outcome, record.attempts)
        expected[f"w{sum(edge <= seconds for edge in WAIT_EDGES)}"] += 1
    for counts in counted.cells().values():
        found = dict(zip(COUNTS, counts, strict=True))
        assert {name: found[name] for name in COUNTS if name[0] == "w" and found[name]} == expected


def test_keys_models_days_and_the_ledger_have_the_same_sum(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    for number in range(60):
        running.write(
            making.completion(
                model_id=f"m/{number % 3}",
                at=later(number * 7_001.0),
                attempts=1 + number % 2,
                cost_usd=0.01 * number,
                key_id=f"key_{number % 4}",
                status=list(Status)[number % 5],
            )
        )
    total = sum(0.01 * number for number in range(60))
    with database.read() as connection:
        for width in (MINUTE, HOUR, DAY):
            for column in ("model_id", "start", "task"):
                query = select(func.sum(activity.c.cost_usd), func.sum(activity.c.requests))
                sums = connection.execute(query.where(activity.c.width == width).group_by(activity.c[column])).all()
                assert sum(row[0] for row in sums) == pytest.approx(total)
                assert sum(row[1] for row in sums) == 60
        for column in ("key_id", "drawn_model_id"):
            by_column = text(f"SELECT sum(cost_usd), count(*) FROM decisions GROUP BY {column}")  # noqa: S608
            sums = connection.execute(by_column).all()
            assert sum(row[0] for row in sums) == pytest.approx(total)
        assert connection.execute(text("SELECT sum(cost_usd) FROM v_spend_by_day")).scalar() == pytest.approx(total)
    Routers(database).put(RouterRecord("rtr_a", "A", b"s" * 32, {}, (), NOW, NOW))
    requests, cost_usd = Ledger(database).spent_by_router(later(0.0))["rtr_a"]
    assert requests == 60
    assert cost_usd == pytest.approx(total)


def test_days_of_traffic_are_activity_after_the_migration(empty_url: str) -> None:
    database = connect(empty_url, "normal")
    day = int(START // DAY)
    with database.write() as connection:
        schema.upgrade(connection, "0021")
        values = f"('rtr_a', {day}, 'm/one', 5, 4, 7, 3, 500, 250, 0.75, 1)"
        connection.execute(text(f"INSERT INTO traffic VALUES {values}"))  # noqa: S608
    database.close()
    database = open_database(empty_url)
    (traffic,) = Ledger(database).traffic("rtr_a", START).values()
    assert (traffic.drawn, traffic.answered, traffic.attempts, traffic.failures) == (5, 4, 7, 3)
    assert (traffic.prompt_tokens, traffic.completion_tokens, traffic.cost_usd) == (500, 250, 0.75)
    assert ActivityRebuild(database).check() == []
    database.close()
