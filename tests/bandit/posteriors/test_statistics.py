"""Reading statistics: faded to one instant, and a broken row is the prior and a warning, never an exception."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.posteriors.quality import WINDOWS
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.posteriors.statistics import read
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Context, RouterSettings

SETTINGS = RouterSettings("rtr_x")
ARMS = [Arm("a/one", Price(1e-6, 4e-6, 1e-7)), Arm("b/two", None)]
CONTEXT = Context("code", 400, stream=True, tool_tokens=300, image_tokens=800, audio_tokens=160, file_tokens=90)
PER_TASK = {Signal.QUALITY, *WINDOWS, Signal.COMPLETION_TOKENS, Signal.COST}
SOUND = Sums(0.0, 3_600.0, 4.0, 3.0, 2.5)

BROKEN = [
    dataclasses.replace(SOUND, weight=math.nan),
    dataclasses.replace(SOUND, total=math.nan),
    dataclasses.replace(SOUND, squares=math.inf),
    dataclasses.replace(SOUND, weight=math.inf),
    dataclasses.replace(SOUND, weight=0.0),
    dataclasses.replace(SOUND, weight=-4.0),
    dataclasses.replace(SOUND, squares=-1.0),
    dataclasses.replace(SOUND, half_life=0.0),
    dataclasses.replace(SOUND, half_life=-1.0),
    dataclasses.replace(SOUND, half_life=math.nan),
    dataclasses.replace(SOUND, at=math.nan),
    dataclasses.replace(SOUND, weight=None),  # type: ignore[arg-type]  # what a NULL in the database would be
    dataclasses.replace(SOUND, total=None),  # type: ignore[arg-type]  # what a NULL in the database would be
]


def key(signal: Signal, model_id: str = "a/one") -> StatisticKey:
    return StatisticKey("rtr_x", model_id, "code" if signal in PER_TASK else "", signal)


def seen(snapshot: Snapshot) -> list[float]:
    """Everything that a decision takes from a snapshot."""
    figures = (
        *snapshot.quality("code"),
        snapshot.success.mean,
        snapshot.validity.mean,
        *snapshot.cost_usd(CONTEXT),
        *snapshot.seconds(CONTEXT),
        *snapshot.seconds(dataclasses.replace(CONTEXT, stream=False)),
        snapshot.outcomes,
    )
    everything: list[float] = np.concatenate(figures).tolist()
    return everything


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("row", BROKEN, ids=repr)
def test_a_broken_row_is_the_prior_and_a_warning(row: Sums, signal: Signal) -> None:
    bare = take_snapshot(SETTINGS, ARMS, {}, BudgetState(), 10.0)
    snapshot = take_snapshot(SETTINGS, ARMS, {key(signal): row}, BudgetState(), 10.0)
    assert seen(snapshot) == seen(bare)
    assert len(snapshot.warnings) == 1
    assert f"a/one {signal}" in snapshot.warnings[0]
    assert "prior only" in snapshot.warnings[0]


def test_a_broken_row_leaves_the_others_alone() -> None:
    others = {key(Signal.QUALITY, "b/two"): SOUND, key(Signal.SUCCESS): SOUND}
    broken = others | {key(Signal.QUALITY): dataclasses.replace(SOUND, weight=math.nan)}
    assert seen(take_snapshot(SETTINGS, ARMS, broken, BudgetState(), 10.0)) == seen(
        take_snapshot(SETTINGS, ARMS, others, BudgetState(), 10.0)
    )


NUMBERS = st.sampled_from([0.0, 1.0, 2.5, -1.0, 1e-300, 1e-12, 1e-9, 1e9, 1e29, -1e29, 1e300, math.inf, math.nan])


@given(st.dictionaries(st.tuples(st.sampled_from(Signal), st.booleans()), st.lists(NUMBERS, min_size=5, max_size=5)))
def test_no_row_whatsoever_makes_anything_but_finite_figures(rows: dict[tuple[Signal, bool], list[float]]) -> None:
    sums = {key(signal, "a/one" if first else "b/two"): Sums(*row) for (signal, first), row in rows.items()}
    snapshot = take_snapshot(SETTINGS, ARMS, sums, BudgetState(), 10.0)
    assert all(map(math.isfinite, seen(snapshot)))


def test_rows_of_other_routers_and_models_are_passed_over() -> None:
    strange = {
        StatisticKey("rtr_y", "a/one", "code", Signal.QUALITY): SOUND,
        StatisticKey("rtr_x", "c/gone", "code", Signal.QUALITY): SOUND,
    }
    snapshot = take_snapshot(SETTINGS, ARMS, strange, BudgetState(), 10.0)
    assert seen(snapshot) == seen(take_snapshot(SETTINGS, ARMS, {}, BudgetState(), 10.0))
    assert snapshot.warnings == ()


def test_a_half_life_later_a_row_weighs_half() -> None:
    table = read("rtr_x", {"a/one": 0}, {key(Signal.QUALITY): SOUND}, SOUND.half_life)
    assert table.per_task(Signal.QUALITY)[:, 0, table.column("code")] == pytest.approx([2.0, 1.5, 1.25])


def test_a_row_from_a_replica_whose_clock_is_ahead_is_taken_as_it_is() -> None:
    table = read("rtr_x", {"a/one": 0}, {key(Signal.QUALITY): dataclasses.replace(SOUND, at=99.0)}, 0.0)
    assert table.per_task(Signal.QUALITY)[0, 0, table.column("code")] == 4.0


def test_a_row_that_has_faded_away_is_nothing_and_no_warning() -> None:
    faded = take_snapshot(SETTINGS, ARMS, {key(Signal.QUALITY): SOUND}, BudgetState(), 1e9)
    assert seen(faded) == seen(take_snapshot(SETTINGS, ARMS, {}, BudgetState(), 1e9))
    assert faded.warnings == ()


@pytest.mark.parametrize("left", [0.0, 1e-13, -1e-13])
def test_a_row_of_which_all_was_taken_back_is_nothing_and_no_warning(left: float) -> None:
    row = Sums(0.0, 3_600.0, left, -left, left)
    taken_back = take_snapshot(SETTINGS, ARMS, {key(Signal.QUALITY): row}, BudgetState(), 10.0)
    assert seen(taken_back) == seen(take_snapshot(SETTINGS, ARMS, {}, BudgetState(), 10.0))
    assert taken_back.warnings == ()


def test_each_latency_signal_has_its_own_sums() -> None:
    sums = {
        key(signal): Sums(0.0, math.inf, weight, weight / 2, weight)
        for signal, weight in ((Signal.FIRST_TOKEN, 1.0), (Signal.PER_TOKEN, 2.0), (Signal.TOTAL, 3.0))
    }
    table = read("rtr_x", {"a/one": 0, "b/two": 1}, sums, 0.0)
    assert table.times()[:, :, 0].tolist() == [[1.0, 2.0, 3.0], [0.5, 1.0, 1.5], [1.0, 2.0, 3.0]]
    assert table.times()[:, :, 1].tolist() == [[0.0] * 3] * 3


def test_a_task_that_nobody_has_asked_for_yet_has_nothing() -> None:
    table = read("rtr_x", {"a/one": 0}, {key(Signal.QUALITY): SOUND}, 0.0)
    assert table.per_task(Signal.QUALITY)[:, 0, table.column("never heard")].tolist() == [0.0, 0.0, 0.0]


def test_the_order_of_rows_changes_nothing_bit_for_bit() -> None:
    sums = {key(signal, model): SOUND for signal in Signal for model in ("a/one", "b/two")}
    sums |= {key(Signal.QUALITY)._replace(task=task): SOUND for task in ("writing", "chat", "math")}
    backwards = dict(reversed(sums.items()))
    assert seen(take_snapshot(SETTINGS, ARMS, sums, BudgetState(), 5.0)) == seen(
        take_snapshot(SETTINGS, ARMS, backwards, BudgetState(), 5.0)
    )
