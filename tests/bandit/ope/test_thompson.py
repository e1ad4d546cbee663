"""Many choices at once have the probabilities that each of them has alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.ope.thompson import thompson_probabilities
from bandit.policies.thompson import Thompson
from bandit.probabilities import Comparison, probabilities
from bandit.shares import feasible

SIZES = st.integers(1, 11)
DEVIATIONS = st.sampled_from([0.0, 1e-6, 1e-3, 0.01, 0.05, 0.3, 2.0])


@st.composite
def choices(draw: st.DrawFn) -> Comparison:
    count = draw(SIZES)
    lows = draw(st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.6]), min_size=count, max_size=count))
    highs = draw(st.lists(st.sampled_from([1.0, 1.0, 1.0, 0.3]), min_size=count, max_size=count))
    low, high, _ = feasible(lows, highs)
    means = draw(st.lists(st.floats(-1.0, 1.0), min_size=count, max_size=count))
    return Comparison(
        policy=Thompson(),
        exploration=draw(st.sampled_from([0.0, 0.02, 0.3])),
        quality_usd=draw(st.sampled_from([0.0, 0.01, 1.0])),
        means_usd=means,
        indexes=means,
        deviations=draw(st.lists(DEVIATIONS, min_size=count, max_size=count)),
        limited=draw(st.lists(st.booleans(), min_size=count, max_size=count)),
        low=low,
        high=high,
    )


@settings(max_examples=60)
@given(st.lists(choices(), min_size=1, max_size=8))
def test_many_choices_at_once_have_the_probabilities_of_each_alone(made: list[Comparison]) -> None:
    width = max(len(each.means_usd) for each in made)

    def padded(rows: list[list[float]], filler: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.array([row + [filler] * (width - len(row)) for row in rows])

    told = thompson_probabilities(
        padded([list(each.means_usd) for each in made], 9.0),
        padded([list(each.deviations) for each in made], 9.0),
        candidate=padded([[1.0] * len(each.low) for each in made], 0.0) > 0.0,
        limited=padded([[float(flag) for flag in each.limited] for each in made], 0.0) > 0.0,
        low=padded([list(each.low) for each in made], 0.0),
        high=padded([list(each.high) for each in made], 1.0),
        exploration=np.array([each.exploration for each in made]),
        quality_usd=np.array([each.quality_usd for each in made]),
    )
    for row, each in zip(told.tolist(), made, strict=True):
        alone = probabilities(each).p
        assert row[: len(alone)] == pytest.approx(alone, abs=1e-4)
        assert row[len(alone) :] == [0.0] * (width - len(alone))
        assert sum(row) == pytest.approx(1.0)
