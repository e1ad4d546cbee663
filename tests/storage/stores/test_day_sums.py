"""Days of all routers come from memory, and are what the table adds up to at every instant."""

from typing import Any

import pytest
from sqlalchemy import event, func

from storage.calendar import DAY
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from storage.stores import day_sums
from storage.stores.activity import Activity, ActivityFilter, Buckets
from storage.stores.day_sums import DaySums
from storage.stores.identity import begin_epoch
from storage.tables import activity
from tests.support.records import NOW, RecordMaker, RunningWriter

TODAY = int(NOW // DAY) * DAY
FIRST = TODAY - 3 * DAY


@pytest.fixture
def database(database: Database) -> Database:
    if not database.sqlite:
        pytest.skip("PostgreSQL adds them up fast enough, and its numbers come late")
    return database


@pytest.fixture
def summed(database: Database) -> list[str]:
    """The statements that have added up days."""
    found: list[str] = []

    def note(_c: object, _u: object, sql: str, *_: Any) -> None:
        if "sum(activity.requests)" in sql:
            found.append(sql)

    event.listen(database.engine, "before_cursor_execute", note)
    return found


def assert_the_same(database: Database, store: Activity) -> None:
    """All that can be asked of days is what the table says."""
    table = Activity(database)
    filters = (ActivityFilter(), ActivityFilter(provider="m"), ActivityFilter(model_ids=("n/two",)))
    for of in (*filters, ActivityFilter(provider="none"), ActivityFilter(router_ids=("rtr_a",))):
        for buckets in (Buckets(DAY, DAY, FIRST, TODAY + DAY), Buckets(DAY, 2 * DAY, FIRST - DAY, TODAY - DAY)):
            for by_model in (False, True):
                found = store.sums(buckets, of, by_model=by_model)
                expected = table.sums(buckets, of, by_model=by_model)
                assert [(each.at, each.model_id, *each.counts) for each in found] == [
                    (each.at, each.model_id, *map(pytest.approx, each.counts)) for each in expected
                ]
            assert list(store.total(buckets, of)) == list(map(pytest.approx, table.total(buckets, of)))


def test_a_day_is_read_again_once_it_has_changed(
    database: Database, running: RunningWriter, making: RecordMaker, summed: list[str]
) -> None:
    def record(router_id: str, model_id: str, at: float) -> Any:
        return making.completion(router_id, model_id, at=at, cost_usd=0.25)

    store, days = Activity(database, DaySums(database)), Buckets(DAY, DAY, FIRST, TODAY + DAY)
    assert store.sums(days, ActivityFilter()) == []
    old = record("rtr_a", "m/one", FIRST + 60.0)
    changes = (
        old,
        record("rtr_b", "n/two", TODAY + 60.0),
        record("rtr_b", "n/two", FIRST + DAY + 60.0),  # on a day that had none
        (making.score(old.decision.completion_id, 0.75),),  # of a day that has ended
        record("rtr_a", "m/three", FIRST - DAY + 60.0),  # before all others
    )
    for change in changes:
        running.write(change)
        assert_the_same(database, store)
    summed.clear()
    assert len(store.sums(days, ActivityFilter())) == 3
    assert summed == []
    running.write(record("rtr_a", "n/two", TODAY + 120.0))
    assert len(store.sums(days, ActivityFilter(), by_model=True)) == 3
    assert len(summed) == 1, "of one day"


def test_a_query_that_fails_leaves_nothing_behind(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.write(making.completion("rtr_a", "m/one", at=FIRST + 60.0))
    store, days = Activity(database, DaySums(database)), Buckets(DAY, DAY, FIRST, TODAY + DAY)
    with monkeypatch.context() as patched:
        patched.setattr(day_sums, "SUMMED", [func.no_such_function(activity.c.requests)])
        with pytest.raises(DatabaseUnavailable):
            store.sums(days, ActivityFilter())
    assert len(store.sums(days, ActivityFilter())) == 1
    assert_the_same(database, store)


def test_of_many_days_and_models_the_latest_are_kept(
    database: Database, running: RunningWriter, making: RecordMaker, summed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_sums, "MOST_KEPT", 2)
    for number in range(4):
        running.write(making.completion("rtr_a", "m/one", at=FIRST + number * DAY + 60.0))
    store = Activity(database, DaySums(database))
    assert_the_same(database, store)
    summed.clear()
    assert len(store.sums(Buckets(DAY, DAY, TODAY - DAY, TODAY + DAY), ActivityFilter())) == 2
    assert summed == []


def test_nothing_is_kept_of_the_ledger_before_a_restore(
    database: Database, running: RunningWriter, making: RecordMaker, summed: list[str]
) -> None:
    running.write(making.completion("rtr_a", "m/one", at=TODAY + 60.0))
    store, day = Activity(database, DaySums(database)), Buckets(DAY, DAY, TODAY, TODAY + DAY)
    for _ in range(2):
        store.sums(day, ActivityFilter())
    assert len(summed) == 1
    begin_epoch(database)
    store.sums(day, ActivityFilter())
    assert len(summed) == 2
