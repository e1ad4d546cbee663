"""Student's quantiles are scipy's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from bandit.ope.student import LARGE, student_quantile

FREEDOMS = st.floats(1.0, 1e12) | st.floats(1.0, 2.0 * LARGE) | st.floats(1.0, 10.0)


@given(FREEDOMS, st.sampled_from([0.5, 0.6, 0.9, 0.95, 0.975, 0.99]))
def test_a_quantile_is_the_one_that_scipy_tells(freedom: float, p: float) -> None:
    assert student_quantile(freedom, p) == pytest.approx(float(stdtrit(freedom, p)), rel=1e-9, abs=1e-12)


@given(FREEDOMS, FREEDOMS)
def test_the_more_is_known_the_narrower(one: float, other: float) -> None:
    few, many = sorted((one, other))
    assert student_quantile(few, 0.975) >= student_quantile(many, 0.975) - 1e-12
