"""From a comparison to probabilities: exploration, limits and shares, in this order."""

from dataclasses import replace

import pytest

from bandit.policies import named
from bandit.probabilities import Comparison, probabilities

FREE = Comparison(
    policy=named("thompson"),
    exploration=0.03,
    quality_usd=0.01,
    means_usd=[0.008, 0.008, 0.008],
    indexes=[0.008, 0.008, 0.008],
    deviations=[0.001, 0.001, 0.001],
    limited=[False, False, False],
    low=[0.0, 0.0, 0.0],
    high=[1.0, 1.0, 1.0],
)


def test_a_limited_arm_keeps_its_exploration_share_alone_and_is_never_lost() -> None:
    steps = probabilities(replace(FREE, limited=[False, True, False]))
    assert steps.p_best == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert steps.p == pytest.approx([0.495, 0.01, 0.495])


def test_limits_that_no_arm_keeps_limit_none() -> None:
    assert probabilities(replace(FREE, limited=[True, True, True])) == probabilities(FREE)


def test_shares_hold_after_exploration() -> None:
    steps = probabilities(replace(FREE, low=[0.6, 0.0, 0.0], high=[1.0, 0.1, 1.0]))
    assert steps.p == pytest.approx([0.6, 0.1, 0.3])
    assert sum(steps.p_explored) == pytest.approx(1.0)
