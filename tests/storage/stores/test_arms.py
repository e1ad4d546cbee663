"""The statistics of a model are added up by the database as they are by the bandit."""

from functools import reduce
from operator import add

import pytest
from sqlalchemy import insert, text

from bandit.types import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.stores.arms import Arms
from storage.tables import arms
from tests.support.records import NOW, assert_same_sums

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


def expected(model_id: str, signal: Signal) -> Sums:
    return reduce(add, (sums for key, sums in ROWS.items() if (key.model_id, key.signal) == (model_id, signal)))


def test_signals_of_models_are_added_up_over_routers_and_tasks(database: Database) -> None:
    found = Arms(database).of_models({"m/one", "m/two", "m/none"}, WANTED)
    wanted = [("m/one", Signal.TOTAL), ("m/one", Signal.COMPLETION_TOKENS), ("m/two", Signal.TOTAL)]
    assert found.keys() == set(wanted)
    assert_same_sums(
        {StatisticKey("", model_id, "", signal): sums for (model_id, signal), sums in found.items()},
        {StatisticKey("", model_id, "", signal): expected(model_id, signal) for model_id, signal in wanted},
    )


@pytest.mark.parametrize("broken", ["weight = -1", "half_life = 0", "total = 1e300", "squares = 1e300", "at = 1e300"])
def test_a_broken_row_does_not_count(database: Database, broken: str) -> None:
    with database.write() as connection:
        connection.execute(text(f"UPDATE arms SET {broken} WHERE router_id = 'rtr_b'"))  # noqa: S608
    found = Arms(database).of_models({"m/one"}, (Signal.TOTAL,))
    alone = ROWS[StatisticKey("rtr_a", "m/one", "", Signal.TOTAL)]
    assert found["m/one", Signal.TOTAL].weight == pytest.approx(alone.weight)


def test_the_arms_of_routers_that_have_statistics_are_known(database: Database) -> None:
    arms_of = Arms(database).started(["rtr_a", "rtr_c", "rtr_none"])
    assert arms_of == {("rtr_a", "m/one"), ("rtr_a", "m/two"), ("rtr_a", "m/three"), ("rtr_c", "m/one")}
