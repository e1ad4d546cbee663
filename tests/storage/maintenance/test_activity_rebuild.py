"""Activity is what the ledger adds up to; if it is not, a rebuild makes it so."""

import pytest
from sqlalchemy import text

from storage.activity import Cell
from storage.calendar import DAY
from storage.database.engine import Database
from storage.maintenance import activity_rebuild
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.records import Status
from tests.support.memory import least_peak
from tests.support.records import NOW, RecordMaker, RunningWriter


def rebuild(database: Database) -> ActivityRebuild:
    return ActivityRebuild(database, lambda: NOW)


@pytest.fixture
def mixed(database: Database, running: RunningWriter, making: RecordMaker) -> Database:
    """Requests of two routers with all ends, redraws, scores and corrections."""
    for number in range(40):
        record = making.completion(
            f"rtr_{'ab'[number % 2]}",
            f"m/{number % 3}",
            at=NOW + 97.0 * number,
            task=["code", "chat"][number % 2],
            attempts=1 + number % 3,
            status=list(Status)[number % 5 if number % 4 == 0 else 0],
        )
        running.write(record)
        if record.outcome.model_id is not None:
            for score in (0.1, 0.8)[: number % 3]:
                running.write((making.score(record.decision.completion_id, score),))
    return database


def test_activity_equals_the_ledger(mixed: Database) -> None:
    assert rebuild(mixed).check() == []
    assert rebuild(mixed).run() == []


@pytest.mark.parametrize("change", ["cost_usd = cost_usd + 0.01", "w3 = 9", "score = 1e308 * 10", "task = 'lost'"])
def test_a_wrong_cell_is_found_and_mended(mixed: Database, change: str) -> None:
    with mixed.write() as connection:
        if mixed.sqlite or "1e308" not in change:
            connection.execute(text(f"UPDATE activity SET {change} WHERE width = 3600 AND router_id = 'rtr_a'"))  # noqa: S608
        else:
            connection.execute(
                text("UPDATE activity SET score = 'Infinity' WHERE width = 3600 AND router_id = 'rtr_a'")
            )
    found = rebuild(mixed).check()
    assert {(each.cell.router_id, each.cell.width) for each in found} == {("rtr_a", 3_600)}
    assert rebuild(mixed).check("rtr_b") == []
    assert [each.cell for each in rebuild(mixed).run()] == [each.cell for each in found]
    assert rebuild(mixed).check() == []


def test_a_difference_names_its_columns(mixed: Database) -> None:
    with mixed.write() as connection:
        connection.execute(text("UPDATE activity SET requests = requests + 2 WHERE width = 86400 AND model_id = 'm/0'"))
    (first, *_) = rebuild(mixed).check("rtr_a")
    assert first.cell == Cell("rtr_a", 86_400, first.cell.start, "m/0", "")
    ((name, (kept, counted)),) = first.columns().items()
    assert (name, kept - counted) == ("requests", 2)


def test_a_comparison_takes_the_same_memory_however_many_requests_there_are(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_rebuild, "REQUESTS_AT_ONCE", 40)
    sizes = {"rtr_short": 80, "rtr_long": 320}
    for router_id, size in sizes.items():  # each in a minute of its own of one day, whose minutes are deleted by now
        day = NOW // DAY * DAY - 200 * DAY
        running.write(*(making.completion(router_id, at=day + 60.0 * minute) for minute in range(size)))
    short, long = (least_peak(lambda own=own: rebuild(database).check(own)) for own in sizes)  # type: ignore[misc]
    assert long < 1.5 * short, "of four times as many requests"
