"""Intervals of skewed outcomes: Student's without skewness, longer on the side of the tail, finite for any sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bernoulli as bernoulli_law
from scipy.stats import beta as beta_law
from scipy.stats import invgauss
from scipy.stats import t as student

from bandit.ope.spread import NORMAL, Shape, Spread, bernoulli, beta, composed, freedom, interval, inverse_gaussian

ONE = np.ones(1)
amounts = st.floats(0.0, 1e6)


def spread(variance: float, size: float, shape: Shape) -> Spread:
    return Spread(ONE * variance, ONE * size, shape)


def test_without_skewness_it_is_students_interval() -> None:
    told = interval(5.0, 0.5, spread(4.0, 21.0, NORMAL))
    half = student.ppf(0.975, 22.0)
    assert (told.low, told.high) == pytest.approx((5.0 - half, 5.0 + half))
    assert freedom(spread(4.0, 21.0, NORMAL)) == pytest.approx(22.0)


def test_heavy_tails_leave_fewer_degrees_of_freedom() -> None:
    assert freedom(spread(1.0, 21.0, Shape(0 * ONE, 0 * ONE, 8.0 * ONE))) == pytest.approx(20.0 / 5.0 + 2.0)


def test_the_tail_of_amounts_lengthens_one_side_and_shortens_none() -> None:
    plain = interval(0.0, 1.0, spread(1.0, 100.0, NORMAL))
    tail = interval(0.0, 1.0, spread(1.0, 100.0, Shape(0 * ONE, 4.0 * ONE, 0 * ONE)))
    assert tail.low == pytest.approx(plain.low)
    assert tail.high > 1.3 * plain.high
    known = interval(0.0, 1.0, spread(1.0, 100.0, Shape(4.0 * ONE, 0 * ONE, 0 * ONE)))
    assert known.high == pytest.approx(tail.high)
    assert plain.low < known.low < 0.0
    turned = interval(0.0, 1.0, spread(1.0, 100.0, Shape(4.0 * ONE, 0 * ONE, 0 * ONE)).scaled(-1.0))
    assert (turned.low, turned.high) == pytest.approx((-known.high, -known.low))


def test_shapes_are_those_of_their_families() -> None:
    rate, mean, variance = 0.03, 0.7, 0.05
    for shape, law in (
        (bernoulli(ONE * rate), bernoulli_law(rate)),
        (beta(ONE * mean, ONE * variance), beta_law(mean * 3.2, (1.0 - mean) * 3.2)),
    ):
        assert (float(shape.skewness[0]), float(shape.kurtosis[0])) == pytest.approx(law.stats("sk"))
    amounts = inverse_gaussian(ONE * 2.0, ONE * 9.0)
    law = invgauss(2.25)
    assert law.std() / law.mean() == pytest.approx(1.5)
    assert (float(amounts.tail[0]), float(amounts.kurtosis[0])) == pytest.approx(law.stats("sk"))
    whole = beta(ONE * 0.9, ONE * 0.09)
    assert float(whole.skewness[0]) == pytest.approx(float(bernoulli(ONE * 0.9).skewness[0])), "scores of 0 and 1 alone"


def test_a_sum_of_parts_has_the_sum_of_their_cumulants() -> None:
    n = 5.0  # failures of each of n models, as one binomial
    one = bernoulli(ONE * 0.2)
    whole = composed(ONE * n * 0.16, *[(ONE * 0.4, one)] * int(n))
    assert float(whole.skewness[0]) == pytest.approx(float(one.skewness[0]) / n**0.5)
    assert float(whole.kurtosis[0]) == pytest.approx(float(one.kurtosis[0]) / n)


@settings(max_examples=50)
@given(mean=st.floats(0.0, 1e3), variance=amounts, size=amounts, other=amounts)
def test_it_is_finite_and_contains_its_mean(mean: float, variance: float, size: float, other: float) -> None:
    amount = spread(variance, size, inverse_gaussian(ONE * mean, ONE * variance))
    told = interval(mean, 1.0, amount, spread(other, size, beta(ONE * (mean % 1.0), ONE * other)))
    assert np.isfinite([told.low, told.high]).all()
    assert told.low <= told.mean <= told.high
