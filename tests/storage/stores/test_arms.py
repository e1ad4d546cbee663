"""Statistics are read by router and by model."""

import pytest
from sqlalchemy import insert

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.stores import arms as stored_arms
from storage.stores.arms import Arms
from storage.tables import arms
from tests.support.records import NOW

ROWS = {
    StatisticKey("rtr_a", "m/one", "", Signal.TOTAL): Sums(NOW, 1_800.0, 9.0, -4.0, 7.0),
    StatisticKey("rtr_b", "m/one", "", Signal.TOTAL): Sums(NOW + 600.0, 3_600.0, 2.0, -1.0, 3.0),
    StatisticKey("rtr_c", "m/one", "", Signal.TOTAL): Sums(NOW - 9e6, 60.0, 5.0, 5.0, 5.0),  # faded away
    StatisticKey("rtr_a", "m/one", "code", Signal.COMPLETION_TOKENS): Sums(NOW, float("inf"), 3.0, 600.0, 2e5),
    StatisticKey("rtr_a", "m/one", "chat", Signal.COMPLETION_TOKENS): Sums(NOW + 5.0, 1e6, 1.0, 20.0, 400.0),
    StatisticKey("rtr_a", "m/one", "", Signal.OUTCOMES): Sums(NOW, float("inf"), 12.0),
    StatisticKey("rtr_a", "m/two", "", Signal.TOTAL): Sums(NOW, 1_800.0, 1.0, -4.0, 16.0),
    StatisticKey("rtr_a", "m/three", "", Signal.TOTAL): Sums(NOW, 1_800.0, 1.0, -4.0, 16.0),
}
WANTED = (Signal.TOTAL, Signal.COMPLETION_TOKENS, Signal.FIRST_TOKEN)


@pytest.fixture(autouse=True)
def rows(database: Database) -> None:
    with database.write() as connection:
        for key, sums in ROWS.items():
            values = {"at": sums.at, "half_life": sums.half_life, "weight": sums.weight, "total": sums.total}
            row = {**key._asdict(), **values, "squares": sums.squares, "revision": 1}
            connection.execute(insert(arms), row)


def test_the_wanted_signals_of_models_are_read_over_routers_and_tasks(database: Database) -> None:
    found = Arms(database).of_models({"m/one", "m/two", "m/none"}, WANTED)
    assert found == {
        key: sums for key, sums in ROWS.items() if key.model_id in {"m/one", "m/two"} and key.signal in WANTED
    }


def test_a_bounded_number_of_rows_is_read_of_each_signal(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_arms, "LARGEST_SAMPLE", 2)
    found = Arms(database).of_models({"m/one"}, WANTED)
    assert [(key.router_id, key.signal) for key in sorted(found)] == [
        ("rtr_a", Signal.TOTAL),
        ("rtr_a", Signal.COMPLETION_TOKENS),
        ("rtr_a", Signal.COMPLETION_TOKENS),
        ("rtr_b", Signal.TOTAL),
    ]


def test_the_arms_of_routers_that_have_statistics_are_known(database: Database) -> None:
    arms_of = Arms(database).started(["rtr_a", "rtr_c", "rtr_none"])
    assert arms_of == {("rtr_a", "m/one"), ("rtr_a", "m/two"), ("rtr_a", "m/three"), ("rtr_c", "m/one")}
