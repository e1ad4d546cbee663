"""Activity is read per bucket of time, of some routers, models, a provider or a class."""

import pytest
from sqlalchemy import text

from bandit.types import Epoch
from storage.activity import COUNTS
from storage.calendar import DAY, HOUR, MINUTE
from storage.database.engine import Database
from storage.database.postgresql import prepare_sums
from storage.stores.activity import Activity, ActivityFilter, Buckets
from tests.support.records import NOW, RecordMaker, RunningWriter

START = int(NOW // DAY) * DAY
REQUESTS, COST = COUNTS.index("requests"), COUNTS.index("cost_usd")


def test_sums_are_read_by_bucket_model_and_key(database: Database, running: RunningWriter, making: RecordMaker) -> None:
    for number in range(12):
        running.write(
            making.completion(
                f"rtr_{'ab'[number % 2]}",
                f"{'mn'[number % 3 == 0]}/one",
                at=START + 1_800.0 * number,
                task=["code", "chat"][number % 2],
                cost_usd=0.5,
                key_id=f"key_{number % 2}",
            )
        )
    store, hours = Activity(database), Buckets(HOUR, 2 * HOUR, START, START + DAY)

    def found(of: ActivityFilter) -> list[tuple[float, float]]:
        return [(each.counts[REQUESTS], each.counts[COST]) for each in store.sums(hours, of)]

    assert [float(each.at) for each in store.sums(hours, ActivityFilter())] == [
        START,
        START + 2 * HOUR,
        START + 4 * HOUR,
    ]
    assert found(ActivityFilter()) == [(4, 2.0)] * 3
    assert found(ActivityFilter(("rtr_a",))) == [(2, 1.0)] * 3
    assert found(ActivityFilter(("rtr_a",), task="chat")) == []
    assert sum(number for number, _ in found(ActivityFilter(provider="n"))) == 4
    assert found(ActivityFilter(provider="%")) == found(ActivityFilter(model_ids=("m",))) == []
    days = Buckets(DAY, DAY, START, START + DAY)
    by_model = {each.model_id: each.counts[REQUESTS] for each in store.sums(days, ActivityFilter(), by_model=True)}
    assert by_model == {"m/one": 8, "n/one": 4}
    totals = store.total_of_keys(days, None)
    assert {key_id: (used.requests, used.cost_usd) for key_id, used in totals.items()} == {
        "key_0": (6, 3.0),
        "key_1": (6, 3.0),
    }
    assert list(store.total_of_keys(days, ("key_1",))) == ["key_1"]
    of_keys = store.of_keys(days, ("key_1",))
    assert [(float(at), key_id, used.requests, used.cost_usd) for at, key_id, used in of_keys] == [
        (START, "key_1", 6, 3.0)
    ]
    every_four_hours = Buckets(HOUR, 4 * HOUR, START, START + DAY)
    assert store.draws("rtr_a", every_four_hours) == [
        (START, "n/one", 2),
        (START, "m/one", 2),
        (START + 4 * HOUR, "m/one", 2),
    ]
    assert store.draws("rtr_a", Buckets(MINUTE, HOUR, START, START + HOUR)) == [(START, "n/one", 1)]
    assert store.of_tasks("rtr_b", Epoch(START)) == [("chat", "m/one", 4, 0), ("chat", "n/one", 2, 0)]
    assert store.of_tasks("rtr_b", Epoch(START + DAY)) == []


def test_memory_for_sums_is_taken_for_their_transaction_alone(database: Database) -> None:
    if database.sqlite:
        pytest.skip("SQLite has no such settings")
    settings = text("SELECT current_setting('work_mem'), current_setting('max_parallel_workers_per_gather')")
    with database.read() as connection:
        usual = tuple(connection.execute(settings).one())
        prepare_sums(connection)
        assert tuple(connection.execute(settings).one()) == ("64MB", "0")
    for _ in range(10):
        with database.read() as connection:
            assert tuple(connection.execute(settings).one()) == usual
