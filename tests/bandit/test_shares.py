"""Traffic shares: within bounds, summing to one, and as near to the policy as the bounds allow."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bandit.shares import feasible, project

rows = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)


@given(rows)
def test_whatever_is_asked_the_bounds_that_hold_can_all_hold(rows: list[tuple[float, float, float]]) -> None:
    low, high, _ = feasible([row[1] for row in rows], [row[2] for row in rows])
    assert all(0.0 <= a <= b <= 1.0 + 1e-9 for a, b in zip(low, high, strict=True))
    assert sum(low) <= 1.0 + 1e-9
    assert sum(high) >= 1.0 - 1e-9


@given(rows)
def test_the_projection_is_a_distribution_within_the_bounds(rows: list[tuple[float, float, float]]) -> None:
    total = sum(row[0] for row in rows)
    assume(total > 0.0)
    low, high, _ = feasible([row[1] for row in rows], [row[2] for row in rows])
    p = project([row[0] / total for row in rows], low, high)
    assert sum(p) == pytest.approx(1.0, abs=1e-9)
    assert all(a - 1e-9 <= x <= b + 1e-9 for a, x, b in zip(low, p, high, strict=True))


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=8))
def test_bounds_that_hold_already_change_nothing(weights: list[float]) -> None:
    p = [weight / sum(weights) for weight in weights]
    assert project(p, [0.0] * len(p), [1.0] * len(p)) == p


def test_what_a_capped_arm_may_not_take_goes_to_the_others_in_proportion() -> None:
    assert project([0.7, 0.2, 0.1], [0.0] * 3, [0.4, 1.0, 1.0]) == pytest.approx([0.4, 0.4, 0.2])


def test_a_minimum_is_taken_from_the_others_in_proportion() -> None:
    assert project([0.0, 0.6, 0.4], [0.1, 0.0, 0.0], [1.0] * 3) == pytest.approx([0.1, 0.54, 0.36])


def test_an_arm_without_probability_fills_what_the_others_may_not_take() -> None:
    assert project([1.0, 0.0], [0.0, 0.0], [0.2, 1.0]) == pytest.approx([0.2, 0.8])


def test_minima_beyond_one_are_relaxed_in_proportion_and_said_to_be() -> None:
    low, _, relaxed = feasible([0.8, 0.4], [1.0, 1.0])
    assert low == pytest.approx([2 / 3, 1 / 3])
    assert relaxed


def test_maxima_below_one_are_relaxed_in_proportion_and_said_to_be() -> None:
    _, high, relaxed = feasible([0.0, 0.0], [0.2, 0.3])
    assert high == pytest.approx([0.4, 0.6])
    assert relaxed


def test_bounds_that_can_hold_are_not_relaxed() -> None:
    assert feasible([0.1, 0.2], [0.5, 1.0]) == ([0.1, 0.2], [0.5, 1.0], False)
