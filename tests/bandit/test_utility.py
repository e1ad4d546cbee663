"""The utility in dollars: each part charged once, and linear, so that means of utilities are utilities of means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Objective
from bandit.utility import Floats, utility_usd

OBJECTIVE = Objective(quality_usd=0.02, second_usd=0.001, failure_usd=0.005)
parts = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4)


def utility(quality: float, failed: float, cost_usd: float, seconds: float, price_multiplier: float = 1.0) -> float:
    figures: list[Floats] = [np.array([figure]) for figure in (quality, failed, cost_usd, seconds)]
    told = utility_usd(
        OBJECTIVE,
        quality=figures[0],
        failed=figures[1],
        cost_usd=figures[2],
        seconds=figures[3],
        price_multiplier=price_multiplier,
    )
    return float(told[0])


def test_a_perfect_answer_at_once_for_nothing_is_worth_what_the_objective_says() -> None:
    assert utility(1.0, 0.0, 0.0, 0.0) == OBJECTIVE.quality_usd


def test_a_failure_a_second_and_a_dollar_cost_what_the_objective_says() -> None:
    assert utility(0.0, 1.0, 0.0, 0.0) == -OBJECTIVE.failure_usd
    assert utility(0.0, 0.0, 0.0, 1.0) == -OBJECTIVE.second_usd
    assert utility(0.0, 0.0, 1.0, 0.0) == -1.0
    assert utility(0.0, 0.0, 1.0, 0.0, price_multiplier=7.0) == -7.0


@given(parts, parts, st.floats(0.0, 1.0))
def test_the_utility_of_a_mixture_is_the_mixture_of_utilities(a: list[float], b: list[float], share: float) -> None:
    mixed = [share * x + (1.0 - share) * y for x, y in zip(a, b, strict=True)]
    assert utility(*mixed) == pytest.approx(share * utility(*a) + (1.0 - share) * utility(*b), abs=1e-12)
