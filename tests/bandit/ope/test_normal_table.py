"""The table's Φ is that of the compiled function."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bandit.normal import ndtr
from bandit.ope.logged import Floats
from bandit.ope.normal_table import FARTHEST, tabled_ndtr


@given(arrays.arrays(np.float64, st.integers(1, 50), elements=st.floats(-FARTHEST, FARTHEST)))
def test_any_value_within_the_table_has_its_distribution_function(values: Floats) -> None:
    assert np.abs(tabled_ndtr(values) - ndtr(values)).max() <= 1e-11


def test_the_whole_table_is_as_exact_between_its_points() -> None:
    values = np.linspace(-FARTHEST, FARTHEST, 300_001)
    assert np.abs(tabled_ndtr(values) - ndtr(values)).max() <= 1e-11
