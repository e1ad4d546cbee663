"""The value of candidates for one request: what counts for it, and how sure it is."""

from dataclasses import replace

import numpy as np
import pytest

from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import (
    NO_STEERING,
    AppliedRule,
    Arm,
    BudgetState,
    Context,
    Objective,
    RouterSettings,
    RuleMode,
    Steering,
)
from bandit.value import Value, evaluate

SETTINGS = RouterSettings("rtr_v", objective=Objective(quality_usd=0.02, second_usd=0.0, failure_usd=0.005))
ARMS = [Arm("p/cheap", Price(1e-6, 2e-6, 1e-6)), Arm("p/dear", Price(1e-5, 2e-5, 1e-5))]
CONTEXT = Context("code", 1_000)


def snapshot_of(sums: dict[tuple[str, str, Signal], Sums], budget: BudgetState | None = None) -> Snapshot:
    keyed = {StatisticKey("rtr_v", model, task, signal): row for (model, task, signal), row in sums.items()}
    return take_snapshot(SETTINGS, ARMS, keyed, budget or BudgetState(), 0.0)


def value_of(snapshot: Snapshot, context: Context = CONTEXT, steering: Steering = NO_STEERING) -> Value:
    return evaluate(snapshot, context, range(2), steering)


def answered(number: float) -> dict[tuple[str, str, Signal], Sums]:
    return {("p/cheap", "", Signal.OUTCOMES): Sums(0.0, float("inf"), number, number, number)}


def test_while_nothing_is_scored_the_doubt_about_quality_fades_with_outcomes() -> None:
    new, used = value_of(snapshot_of({})), value_of(snapshot_of(answered(300.0)))
    assert used.deviation_usd[0] < 0.5 * new.deviation_usd[0]
    assert used.quality_deviation == new.quality_deviation


def test_the_first_score_brings_all_of_the_doubt_back() -> None:
    score = {("p/dear", "code", Signal.QUALITY): Sums(0.0, 1e9, 1.0, 0.6, 0.36)}
    used, scored = value_of(snapshot_of(answered(300.0))), value_of(snapshot_of(answered(300.0) | score))
    assert scored.deviation_usd[0] > 2.0 * used.deviation_usd[0]


def test_validity_counts_for_requests_that_ask_for_json_alone() -> None:
    snapshot = snapshot_of({("p/cheap", "", Signal.VALIDITY): Sums(0.0, 1e9, 100.0, 20.0, 20.0)})
    plain, json = value_of(snapshot), value_of(snapshot, replace(CONTEXT, wants_json=True))
    assert plain.validity == [1.0, 1.0]
    assert json.validity[0] < 0.3
    assert json.validity[1] > 0.9
    assert json.mean_usd[0] < plain.mean_usd[0] - 0.005
    assert json.quality == plain.quality


def test_the_shadow_price_and_a_wish_for_low_cost_multiply_what_a_dollar_counts() -> None:
    paced, wished = snapshot_of({}, BudgetState(multiplier=3.0)), Steering(cost=2.0)
    free, both = value_of(snapshot_of({})), value_of(paced, steering=wished)
    assert both.price_multiplier == 6.0
    assert np.subtract(free.mean_usd, both.mean_usd).tolist() == pytest.approx([5.0 * usd for usd in free.cost_usd])


def test_a_preference_for_a_model_whose_quality_is_beyond_doubt_changes_nothing() -> None:
    scores = {"p/cheap": Sums(0.0, 1e15, 9e14, 4.5e14, 2.25e14), "p/dear": Sums(0.0, 1e15, 9e14, 9e14, 9e14)}
    certain = snapshot_of({(model, "code", Signal.QUALITY): sums for model, sums in scores.items()})
    assert certain.quality("code")[1][1] == 0.0
    for weight in (1.0, 16.0):
        rule = AppliedRule(1, RuleMode.PREFER, "p/dear", weight)
        value = evaluate(certain, CONTEXT, range(2), NO_STEERING, rule)
        assert value.quality[1] == 1.0
        assert np.isfinite([*value.mean_usd, *value.deviation_usd]).all()
