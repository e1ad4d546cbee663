"""Student's intervals for sums over classes whose outcomes are skewed: few dear answers, failures, scores in [0, 1].

A sample without the few outcomes that make up a tail has too low a mean *and* too low a variance: Student's interval,
for which the two are independent, contains the truth too seldom, and misses it on the side of the tail. The third and
fourth moments of such a sample are too low as well. So an outcome's shape is that of its family, with the mean and the
variance that are measured:

- the degrees of freedom are 2 V² / Var(V) (Satterthwaite 1946), and a variance from n outcomes has itself the variance
  (2 + κ)/n times its square, κ their excess kurtosis (Cramér 1946, section 27.4; O'Neill 2014);
- the quantiles q of the studentised mean are corrected for its skewness γ to the second order, by -γ/6 - γ q²/3
  (Johnson 1978; Hall 1983), with (1 - exp(-2γq/3))/(2γ/3) for q - γ q²/3, which is not monotone (Hall 1992).

That an amount is inverse Gaussian is an assumption, that a failure is Bernoulli's is not: the skewness of amounts may
lengthen an interval on its side, but does not shorten it on the other.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CONFIDENCE, SPREAD_WEIGHT, Estimate
from bandit.ope.student import student_quantile

Floats = NDArray[np.float64]

SMALLEST_VARIANCE = 1e-60
"""Of dollars and seconds, less is rounding."""
SMALLEST_SKEWNESS = 1e-6
MOST_SKEWNESS = 1.0
"""An expansion in the skewness says nothing beyond this."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Skewness and excess kurtosis of an outcome, by class. `tail` is what amounts add to the skewness."""

    skewness: Floats
    tail: Floats
    kurtosis: Floats


NORMAL = Shape(np.zeros(1), np.zeros(1), np.zeros(1))


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """By class: the variance of a sum of outcomes, of how many outcomes (by Kish's size), and the shape of one."""

    variance: Floats
    size: Floats
    shape: Shape

    def scaled(self, factor: Floats | float) -> "Spread":
        """That of `factor` times the sum."""
        sign, shape = np.sign(factor), self.shape
        shape = Shape(sign * shape.skewness, sign * shape.tail, shape.kurtosis)
        return Spread(factor**2 * self.variance, self.size, shape)


def inverse_gaussian(mean: Floats, variance: Floats) -> Shape:
    """Amounts, dollars or seconds: their variance grows with the cube of the mean. None has a mean of 0 or less."""
    squares = np.divide(
        variance, mean**2, out=np.zeros_like(variance), where=(mean > 0.0) & (mean**2 > SMALLEST_VARIANCE)
    )
    return Shape(np.zeros_like(squares), 3.0 * np.sqrt(squares), 15.0 * squares)


def bernoulli(rate: Floats) -> Shape:
    """What happens or not, at a rate in (0, 1)."""
    variance = rate * (1.0 - rate)
    return Shape((1.0 - 2.0 * rate) / np.sqrt(variance), np.zeros_like(rate), (1.0 - 6.0 * variance) / variance)


def beta(mean: Floats, variance: Floats) -> Shape:
    """Scores, in [0, 1]. Of those that are 0 or 1 alone it is Bernoulli's."""
    most = mean * (1.0 - mean)
    inside = (most > SMALLEST_VARIANCE) & (variance > SMALLEST_VARIANCE)
    most, variance = np.where(inside, most, 0.25), np.where(inside, variance, 0.25)
    precision = np.maximum(most / variance - 1.0, 0.0)
    lean = 1.0 - 2.0 * mean
    skewness = 2.0 * lean * np.sqrt(precision + 1.0) / ((precision + 2.0) * np.sqrt(most))
    kurtosis = 6.0 * (lean**2 * (precision + 1.0) - most * (precision + 2.0))
    kurtosis /= most * (precision + 2.0) * (precision + 3.0)
    return Shape(np.where(inside, skewness, 0.0), np.zeros_like(mean), np.where(inside, kurtosis, 0.0))


def composed(variance: Floats, *parts: tuple[Floats, Shape]) -> Shape:
    """The shape of a sum with this variance, of parts with deviations (their signs tell the direction) and shapes.

    Cumulants of independent parts add up.
    """
    scale = np.where(variance > SMALLEST_VARIANCE, variance, 1.0)
    nothing = np.zeros_like(variance)
    third = sum((deviation**3 * shape.skewness for deviation, shape in parts), nothing)
    tail = sum((deviation**3 * shape.tail for deviation, shape in parts), nothing)
    fourth = sum((deviation**4 * shape.kurtosis for deviation, shape in parts), nothing)
    return Shape(third / scale**1.5, tail / scale**1.5, fourth / scale**2)


def freedom(*spreads: Spread) -> float:
    """The degrees of freedom of the sum of the variances; each class has some, however few its outcomes."""
    total = sum(float(spread.variance.sum()) for spread in spreads)
    squares = sum(float((spread.variance**2 / _freedoms(spread)).sum()) for spread in spreads)
    return total**2 / squares if squares > SMALLEST_VARIANCE**2 else 1.0


def interval(mean: float, times: float, *spreads: Spread, more: float = 0.0) -> Estimate:
    """The interval of a mean that is `times` a sum over classes; `more` is variance that no spread has."""
    variance = max(sum(float(spread.variance.sum()) for spread in spreads) + more, 0.0)
    if variance <= SMALLEST_VARIANCE:
        return Estimate(mean, mean, mean)
    skewness = sum(float((spread.shape.skewness * _cubes(spread)).sum()) for spread in spreads) / variance**1.5
    tail = sum(float((spread.shape.tail * _cubes(spread)).sum()) for spread in spreads) / variance**1.5
    quantile = student_quantile(freedom(*spreads), 0.5 + CONFIDENCE / 2.0)
    below, above = zip(_reach(quantile, skewness), _reach(quantile, skewness + tail), strict=True)
    deviation = times * variance**0.5
    return Estimate(mean, mean - deviation * max(below), mean + deviation * max(above))


def _reach(quantile: float, skewness: float) -> tuple[float, float]:
    """How many deviations an interval goes below and above the mean."""
    if abs(skewness) < SMALLEST_SKEWNESS:
        return quantile, quantile
    skewness = math.copysign(min(abs(skewness), MOST_SKEWNESS), skewness)
    bend, shift = 2.0 * skewness / 3.0, skewness / 6.0
    return -math.expm1(-bend * quantile) / bend - shift, math.expm1(bend * quantile) / bend + shift


def _freedoms(spread: Spread) -> Floats:
    left = np.maximum(spread.size - 1.0, 0.0)
    freedoms: Floats = left / (1.0 + np.maximum(spread.shape.kurtosis, 0.0) / 2.0) + SPREAD_WEIGHT
    return freedoms


def _cubes(spread: Spread) -> Floats:
    """What the skewness of one outcome is multiplied with for the third cumulant of the sum over its class."""
    cubes: Floats = spread.variance**1.5 / np.sqrt(np.maximum(spread.size, 1.0))
    return cubes
