"""Sums of savings equal the ledger, also after retention; if they do not, a rebuild makes them so."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from bandit.types import Ending
from storage.calendar import DAY, day_of
from storage.database import schema
from storage.database.engine import Database, connect, open_database
from storage.fixed_sums import SUMS, Cell, FixedSums
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.retention import Retention
from storage.records import CompletionRecord, Status
from storage.tables import fixed_sums
from tests.support.databases import insert_row
from tests.support.records import NOW, RecordMaker, RunningWriter, half_life, later, learn_scores


def kept(database: Database) -> dict[Cell, dict[str, float]]:
    """The sums that are not zero, by cell."""
    with database.read() as connection:
        rows = connection.execute(select(fixed_sums)).all()
    return {Cell(*row[:4]): {name: value for name, value in zip(SUMS, row[4:], strict=True) if value} for row in rows}


def drawn(record: CompletionRecord, **changes: Any) -> CompletionRecord:
    return replace(record, decision=replace(record.decision, **changes))


@pytest.fixture
def mixed(database: Database, running: RunningWriter, making: RecordMaker) -> Database:
    """Requests of two routers over two days with all ends, redraws, scores and corrections."""
    for number in range(36):
        record = making.completion(
            f"rtr_{'ab'[number % 2]}",
            f"m/{number % 3}",
            at=NOW + 4_001.0 * number,
            task=["code", "chat"][number % 2],
            attempts=1 + number % 5 // 4,
            status=list(Status)[number % 5 if number % 4 == 0 else 0],
            episode_id=f"run{number // 4}",
        )
        running.write(drawn(record, propensity=(0.9, 0.05, 0.3)[number % 3], randomised=number % 7 > 0))
        if record.outcome.model_id is not None:
            for score in (0.1, 0.8)[: number % 3]:
                running.write((making.score(record.decision.completion_id, score),))
    running.write((replace(making.score("", 0.625, source="judge"), episode_id="run1"),))
    return database


def test_a_first_draw_adds_its_call_and_its_score_once_to_the_model_that_was_drawn(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = drawn(making.completion(at=NOW, cost_usd=0.5), propensity=0.25)
    running.write(record)
    for score in (0.125, 0.5):  # the later one corrects the first
        running.write((making.score(record.decision.completion_id, score),))
    running.write(
        drawn(making.completion(at=NOW), randomised=False),
        drawn(making.completion(at=NOW), propensity=0.0),
        replace(record, decision=making.completion().decision, attempts=()),
        replace(
            record,
            decision=making.completion().decision,
            attempts=(replace(record.attempts[0], ending=Ending.RATE_LIMITED),),
        ),
    )
    call = {"requests": 1.0, "cost": 0.5, "seconds": 0.25, "cost_cost": 0.25}
    call |= {"seconds_seconds": 0.0625, "cost_seconds": 0.125}
    scored = {"scored": 1.0, "quality": 0.5, "quality_quality": 0.25}
    expected = {f"{power}{name}": w * value for power, w in _POWERS for name, value in (call | scored).items()}
    assert kept(database) == {Cell("rtr_a", day_of(NOW), "code", "m/one"): expected}


_POWERS = (("", 1.0), ("w_", 4.0), ("ww_", 16.0))


def test_a_failed_draw_counts_for_its_model_alone(making: RecordMaker) -> None:
    sums = FixedSums()
    record = making.completion(at=NOW, attempts=2, cost_usd=0.5)
    sums.add_request(record.decision, record.outcome, record.attempts)
    ((_, _, _, model_id, *values),) = sums.rows()
    found = dict(zip(SUMS, values, strict=True))
    assert model_id == "m/failing"
    assert [found[name] for name in ("requests", "failed", "cost", "w_cost_failed", "scored")] == [1, 1, 0.25, 0.5, 0]


def test_the_sums_equal_the_ledger(mixed: Database) -> None:
    assert len(kept(mixed)) > 8
    assert any(sums.get("ww_scored") for sums in kept(mixed).values())
    assert FixedSumsRebuild(mixed).check() == []


@pytest.mark.parametrize("change", ["w_cost = w_cost + 0.01", "ww_quality = 0", "scored = 1e308 * 10", "task = 'x'"])
def test_a_wrong_sum_is_found_named_and_mended(mixed: Database, change: str) -> None:
    if not mixed.sqlite:
        change = change.replace("1e308 * 10", "'Infinity'")
    rebuild = FixedSumsRebuild(mixed)
    own = "router_id = 'rtr_a' AND model_id = 'm/2' AND ww_quality > 0"
    with mixed.write() as connection:
        connection.execute(text(f"UPDATE fixed_sums SET {change} WHERE {own}"))  # noqa: S608
    found = rebuild.check()
    assert {each.cell.router_id for each in found} == {"rtr_a"}
    assert change.split(" ")[0] in found[0].columns() or "task" in change
    assert rebuild.check("rtr_b") == []
    assert [each.cell for each in rebuild.run("rtr_a")] == [each.cell for each in found]
    assert rebuild.check() == []


def test_what_retention_deletes_stays_in_the_sums(mixed: Database) -> None:
    before = kept(mixed)
    retention = Retention(mixed, lambda connection, router_ids: (learn_scores, half_life))
    while retention.delete_some("rtr_a", later(DAY), 5):
        pass
    assert FixedSumsRebuild(mixed).check() == []
    assert kept(mixed) == before
    with mixed.write() as connection:
        connection.execute(text("DELETE FROM fixed_sums"))
    FixedSumsRebuild(mixed).run()
    assert kept(mixed).keys() == before.keys()
    assert all(kept(mixed)[cell] == pytest.approx(sums) for cell, sums in before.items())


def test_an_upgrade_fills_the_sums_from_the_ledger(empty_url: str) -> None:
    database = connect(empty_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0029")
        for number, ending in enumerate(("complete", "complete", "failed", "rate_limited")):
            own = {"completion_id": f"req_{number}"}
            request = {
                "router_id": "rtr_a",
                "task": "code",
                "drawn_model_id": "m/one",
                "propensity": 0.25,
                "attempts": 1,
            }
            request |= {"randomised": True, "ended_at": 9e4, "http_status": 200, "learned": "{}"}
            status = "answered" if ending == "complete" else "failed"
            insert_row(connection, "decisions", {**own, **request, "status": status})
            insert_row(connection, "attempts", {**own, "number": 1, "ending": ending, "cost_usd": 0.5, "seconds": 2.0})
        for source, score in (("judge", 0.25), ("user", 0.75)):
            insert_row(
                connection, "scores", {"completion_id": "req_0", "source": source, "score": score, "weight": 1.0}
            )
    database.close()
    database = open_database(empty_url)
    ((cell, sums),) = kept(database).items()
    assert cell == Cell("rtr_a", 1, "code", "m/one")
    told = ("requests", "failed", "cost", "w_seconds", "ww_cost_cost", "scored", "w_quality")
    assert [sums[name] for name in told] == [3.0, 1.0, 1.5, 24.0, 12.0, 1.0, 2.0]
    assert FixedSumsRebuild(database).check() == []
    database.close()
