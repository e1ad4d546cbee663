"""Statistics change by addition: in SQL as in `Sums`, in any order and any split."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import literal_column, text, update

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.deltas import DeltaSums, decode_deltas, encode_deltas
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.tables import arms
from tests.support.records import BUDGETED, NOW, RecordMaker, RunningWriter, assert_same_sums, half_life

KEYS = [
    StatisticKey("rtr_a", "m/one", "", Signal.SUCCESS),
    StatisticKey("rtr_a", "m/one", "code", Signal.QUALITY),
    StatisticKey("rtr_a", "m/two", "a/task with / slashes", Signal.QUALITY),
    StatisticKey("rtr_a", "m/two", "", Signal.OUTCOMES),
]
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 6))


@st.composite
def deltas(draw: st.DrawFn) -> dict[StatisticKey, Sums]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    at = NOW + draw(st.floats(0, 100_000))
    return {
        key: Sums(at, half_life(key.router_id, key.signal), draw(numbers), draw(numbers), draw(numbers)) for key in keys
    }


def total(events: list[dict[StatisticKey, Sums]]) -> dict[StatisticKey, Sums]:
    sums: dict[StatisticKey, Sums] = {}
    for event in events:
        for key, new in event.items():
            sums[key] = sums[key] + new if key in sums else new
    return sums


@given(st.lists(deltas(), max_size=12))
def test_gathering_is_adding(events: list[dict[StatisticKey, Sums]]) -> None:
    gathered = DeltaSums()
    for event in events:
        gathered.add(event)
    assert_same_sums(gathered.deltas(), total(events))


def test_a_late_delta_fades_as_those_of_its_batch_before_it() -> None:
    gathered = DeltaSums()
    gathered.add({KEYS[0]: Sums(NOW + 100.0, 50.0, 1.0)})
    gathered.add({KEYS[0]: Sums(NOW, 1_000.0, 4.0)})
    assert gathered.deltas() == {KEYS[0]: Sums(NOW + 100.0, 50.0, 2.0)}


@given(deltas(), st.floats(0, 100))
def test_kept_deltas_are_read_back_exactly(event: dict[StatisticKey, Sums], at: float) -> None:
    for instant in (at, next((sums.at for sums in event.values()), at)):
        assert dict(decode_deltas(encode_deltas(event, instant), "rtr_a", instant, half_life)) == event


@settings(max_examples=30)
@given(st.lists(deltas(), min_size=1, max_size=10), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_table_is_the_sum_whatever_the_order_and_the_batches(
    shared_ledger: tuple[Database, RunningWriter, RecordMaker],
    events: list[dict[StatisticKey, Sums]],
    at_once: int,
    chance: random.Random,
) -> None:
    database, running, making = shared_ledger
    router_id = f"rtr_{making.number()}"
    events = [{key._replace(router_id=router_id): sums for key, sums in event.items()} for event in events]
    chance.shuffle(events)
    records = [making.completion(router_id, deltas=event) for event in events]
    for start in range(0, len(records), at_once):
        running.write(*records[start : start + at_once])
    assert_same_sums(Arms(database).sums(router_id), total(events))


def test_sums_that_have_faded_away_do_not_underflow(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """PostgreSQL raises an error where power or a product underflows."""
    key = StatisticKey("rtr_a", "m/one", "", Signal.SUCCESS)
    for number in range(12):
        at = NOW + number * 190 * 3_600.0  # 190 half-lives each, 2,280 in all
        running.write(making.completion(deltas={key: Sums(at, 3_600.0, 1.0, 1.0 if number == 0 else 0.0)}))
    running.write(making.completion(deltas={key: Sums(NOW + 1e10, 3_600.0, 1.0)}))
    assert Arms(database).sums()[key].weight == 1.0
    assert abs(Arms(database).sums()[key].total) < 1e-100


@pytest.mark.parametrize("broken", ["'NaN'", "'Infinity'", "-5", "0"])
def test_a_broken_row_is_read_as_it_is_and_others_are_not_touched(
    database: Database, running: RunningWriter, making: RecordMaker, broken: str
) -> None:
    running.write(making.completion())
    good = Arms(database).sums()
    with database.write() as connection:
        breaking = update(arms).where(arms.c.signal == "success").values(weight=literal_column(broken))
        connection.execute(breaking)
    sums = Arms(database).sums()
    key = StatisticKey("rtr_a", "m/one", "", Signal.SUCCESS)
    expected = float(broken.strip("'")) if not database.sqlite or "'" not in broken else math.nan
    assert sums[key].weight == pytest.approx(expected, nan_ok=True)
    assert {name: row for name, row in sums.items() if name != key} == {n: row for n, row in good.items() if n != key}
    assert running.write(making.completion()) == [()]


def test_statistics_of_an_unknown_signal_are_left_alone(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(making.completion())
    with database.write() as connection:
        connection.execute(text("UPDATE arms SET signal = 'of a newer version' WHERE signal = 'success'"))
    assert all(key.signal != Signal.SUCCESS for key in Arms(database).sums())


def test_a_budget_is_moved_on_by_every_answer_in_order(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(*(making.completion(BUDGETED, cost_usd=0.25 * number) for number in range(1, 5)))
    running.write(making.completion("rtr_a"), making.completion(BUDGETED, cost_usd=1.0))
    budgets = read_everything(database)[0].budgets
    assert budgets.keys() == {BUDGETED}
    assert (budgets[BUDGETED].multiplier, budgets[BUDGETED].mean_cost_usd) == (6.0, 3.5)
    assert running.budgets == budgets
