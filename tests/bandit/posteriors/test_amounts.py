"""Tokens and dollars: arithmetic means, prices that are known and not learned, and dollars where there is no price."""

import numpy as np
import pytest

from bandit.posteriors.amounts import expected_amounts
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Context, RouterSettings

CONTEXT = Context("code", 1_000)
TOKENS = {StatisticKey("rtr_a", "p/a", "code", Signal.COMPLETION_TOKENS): Sums(0.0, 1e9, 200.0, 200.0 * 500.0, 6e7)}


def snapshot_of(price: Price | None, sums: dict[StatisticKey, Sums]) -> Snapshot:
    return take_snapshot(RouterSettings("rtr_a"), [Arm("p/a", price)], sums, BudgetState(), 0.0)


def test_a_price_change_counts_at_once_and_in_proportion() -> None:
    before, after = (snapshot_of(Price(usd, 4 * usd, usd), TOKENS).cost_usd(CONTEXT)[0][0] for usd in (1e-5, 1e-6))
    assert after == pytest.approx(before / 10.0)


def test_expected_tokens_are_those_of_the_class_leaning_on_the_arm() -> None:
    tokens, _ = snapshot_of(Price(1e-6, 1e-6, 1e-6), TOKENS).completion_tokens("code")
    other, _ = snapshot_of(Price(1e-6, 1e-6, 1e-6), TOKENS).completion_tokens("chat")
    assert tokens[0] == pytest.approx(500.0, rel=0.01)
    assert other[0] == pytest.approx(500.0, rel=0.01)
    assert snapshot_of(Price(1e-6, 1e-6, 1e-6), TOKENS).completion_tokens("code", 100)[0][0] == 100.0


def test_the_mean_is_arithmetic_because_dollars_add_up() -> None:
    seen = np.array([1.0] * 90 + [1_000.0] * 10)
    sums = np.array([[[100.0]], [[seen.sum()]], [[(seen**2).sum()]]])
    assert expected_amounts(sums, np.array([100.0]), 2.0).of(0)[0][0] == pytest.approx(seen.mean(), rel=0.02)


def test_a_model_without_a_price_learns_reported_dollars() -> None:
    dollars = {StatisticKey("rtr_a", "p/a", "code", Signal.COST): Sums(0.0, 1e9, 100.0, 0.3, 1e-3)}
    assert snapshot_of(None, dollars).cost_usd(CONTEXT)[0][0] == pytest.approx(0.003)
