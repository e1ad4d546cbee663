"""Variances of sums over classes, of what one model's randomised draws let expect of all requests.

Of a class with N requests, weights w = 1/p of the model's draws, and m the centre of an outcome y:

- the variance of Σ w (y - m) is Σ w (w - 1)(y - m)² (Horvitz and Thompson 1952). Rare draws with large weights make it
  too small until they happen, so it is averaged with N (mean 1/p - 1) times a spread that is pooled over the classes;
- the shape of one outcome is composed of what its failure costs, the amounts of answers, and their scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CELL_WEIGHT, SPREAD_WEIGHT
from bandit.ope.spread import Shape, Spread, bernoulli, beta, composed, inverse_gaussian

Floats = NDArray[np.float64]

FIRST = ("cost", "seconds", "failed")
"""Outcomes of a first draw, in the order of a combination's coefficients."""
_FAILED = 2
LEAST_OWN_DRAWS = 2.0
SMALLEST_RATE = 1e-9
_PAIRS = {
    (0, 0): "cost_cost",
    (1, 1): "seconds_seconds",
    (2, 2): "failed",  # its own square
    (0, 1): "cost_seconds",
    (0, 2): "cost_failed",
    (1, 2): "seconds_failed",
}


@dataclass(frozen=True, slots=True, eq=False)
class ModelSums:
    """One model's sums by class, beside all requests there, and the centres of its outcomes.

    `sizes` are the effective sizes of its draws, `score_sizes` those of its scored answers; `rate` is the share of its
    answers that is scored, `answers` how many it would have given.
    """

    sums: Mapping[str, Floats]
    requests: Floats
    sizes: Floats
    centres: Sequence[Floats]
    rate: Floats
    quality: Floats
    answers: Floats
    score_sizes: Floats


class Outcomes:
    """The moments of a model's cost, seconds and failures, for the spread of any combination of them."""

    def __init__(self, model: ModelSums) -> None:
        self._model = model
        weight, squares, sizes = model.sums["w_requests"], model.sums["ww_requests"], model.sizes
        total, size = float(weight.sum()), kish(weight, squares)
        usual = [float(model.sums[f"w_{name}"].sum()) / total for name in FIRST]
        # A failure more, which costs nothing, and an answer more: none in a few draws doesn't mean that there are none.
        failing = (size * usual[_FAILED] + 1.0) / (size + 2.0)
        hidden = max(failing * (1.0 - failing) - usual[_FAILED] * (1.0 - usual[_FAILED]), 0.0)
        jumps = (-usual[0], 0.0, 1.0)
        self._own: dict[tuple[int, int], Floats] = {}
        self._shares: dict[tuple[int, int], Floats] = {}
        for (i, j), name in _PAIRS.items():
            once = _moment(model, "w_", (i, j), name, (model.centres[i], model.centres[j]))
            self._own[i, j] = _moment(model, "ww_", (i, j), name, (model.centres[i], model.centres[j])) - once
            around = float(_moment(model, "w_", (i, j), name, (usual[i], usual[j])).sum()) / total
            self._shares[i, j] = _leaning(sizes, ratio(once, weight), around + hidden * jumps[i] * jumps[j])
        self._excess = model.requests * (mean_weight(weight, squares) - 1.0)
        # Not leaned on `failing`: the third moment of rare failures is proportional to their rate, which that
        # overstates.
        leaned = sizes * ratio(model.sums["w_failed"], weight) + SPREAD_WEIGHT * usual[_FAILED]
        self._rate = np.clip(leaned / (sizes + SPREAD_WEIGHT), SMALLEST_RATE, 1.0 - SMALLEST_RATE)

    def spread(self, coefficients: Sequence[Floats]) -> Spread:
        """The spread of a combination of cost, seconds and failures."""
        sizes = self._model.sizes
        own, pooled = np.zeros_like(sizes), np.zeros_like(sizes)
        for i, j in _PAIRS:
            factor = coefficients[i] * coefficients[j] * (1.0 if i == j else 2.0)
            own += factor * self._own[i, j]
            pooled += factor * self._shares[i, j]
        centres = self._model.centres
        shape = _outcomes_shape(centres, coefficients, self._shares, self._rate, np.maximum(pooled, 0.0))
        return Spread(_averaged(own, pooled, self._excess, sizes), sizes, shape)


def scores_spread(model: ModelSums) -> Spread:
    """The spread of the scores."""
    weight, sizes = model.sums["w_scored"], model.score_sizes
    first, second = about(model.sums, "w_", model.quality), about(model.sums, "ww_", model.quality)
    own = second / model.rate**2 - first / model.rate
    total = float(weight.sum())
    mean = float(model.sums["w_quality"].sum()) / total if total > 0.0 else 0.0
    around = float(about(model.sums, "w_", mean).sum()) / total if total > 0.0 else 0.0
    pooled = _leaning(sizes, ratio(first, weight), around)
    excess = model.answers * (mean_weight(weight, model.sums["ww_scored"]) / model.rate - 1.0)
    return Spread(_averaged(own, pooled, excess, sizes), sizes, beta(model.quality, pooled))


def shared_scores(model: ModelSums) -> float:
    """The covariance of this model's scores with the router's own: the same answers are scored or not."""
    squares = about(model.sums, "w_", model.quality)
    return float((squares * (1.0 - model.rate) / model.rate**2).sum())


def _outcomes_shape(
    centres: Sequence[Floats],
    coefficients: Sequence[Floats],
    shares: Mapping[tuple[int, int], Floats],
    rate: Floats,
    variance: Floats,
) -> Shape:
    """The shape of a combination: what goes with failures has two values, and the rest is amounts."""
    failed = shares[_FAILED, _FAILED]
    with_failures = [ratio(shares[i, _FAILED], failed) for i in range(len(FIRST))]
    jump = sum((c * slope for c, slope in zip(coefficients, with_failures, strict=True)), np.zeros_like(failed))
    jump = np.sign(jump) * np.sqrt(np.minimum(jump**2 * rate * (1.0 - rate), variance))
    parts = [(jump, bernoulli(rate))]
    for i in range(_FAILED):
        rest = np.maximum(shares[i, i] - with_failures[i] * shares[i, _FAILED], 0.0)
        parts.append((coefficients[i] * np.sqrt(rest), inverse_gaussian(centres[i], rest)))
    return composed(variance, *parts)


def _moment(
    model: ModelSums,
    power: str,
    pair: tuple[int, int],
    name: str,
    centres: tuple[Floats, Floats] | tuple[float, float],
) -> Floats:
    """Σ of weights times the product of two outcomes' distances from their centres."""
    one, other = (model.sums[f"{power}{FIRST[each]}"] for each in pair)
    a, b = centres
    moment: Floats = model.sums[f"{power}{name}"] - b * one - a * other + a * b * model.sums[f"{power}requests"]
    return moment


def _leaning(size: Floats, spread: Floats, usual: float) -> Floats:
    """The spread of each class, which has lost one of its `size` to the mean, leaned on the usual one."""
    left = np.maximum(size - 1.0, 0.0)
    leaning: Floats = (size * spread + SPREAD_WEIGHT * usual) / (left + SPREAD_WEIGHT)
    return leaning


def _averaged(own: Floats, pooled: Floats, excess: Floats, size: Floats) -> Floats:
    """The variance of each class: the mean of its `own` sum and of its pooled spread times the `excess` Σ (1/p - 1).

    In classes of less than two draws the pooled one stands alone.
    """
    modelled = np.maximum(excess, 0.0) * np.maximum(pooled, 0.0)
    corrected = np.maximum(own, 0.0) * ratio(size, np.maximum(size - 1.0, 0.0))
    averaged: Floats = np.where(size >= LEAST_OWN_DRAWS, (corrected + modelled) / 2.0, modelled)
    return averaged


def centre(total: Floats, weight: Floats, size: Floats) -> Floats:
    """The mean of each class, shrunk to that of all."""
    all_ = float(weight.sum())
    everywhere = float(total.sum()) / all_ if all_ > 0.0 else 0.0
    shrunk: Floats = (size * ratio(total, weight) + CELL_WEIGHT * everywhere) / (size + CELL_WEIGHT)
    return shrunk


def mean_weight(weight: Floats, squares: Floats) -> Floats:
    """The mean of 1/p over the requests of each class, leaned on that of all as if on two draws more."""
    total = float(weight.sum())
    usual = float(squares.sum()) / total if total > 0.0 else 1.0
    mean: Floats = (squares + SPREAD_WEIGHT * usual**2) / (weight + SPREAD_WEIGHT * usual)
    return mean


def about(sums: Mapping[str, Floats], power: str, centre: Floats | float) -> Floats:
    """Σ of weights times squared distances of scores from their centre."""
    squares = sums[f"{power}quality_quality"] - 2.0 * centre * sums[f"{power}quality"]
    distances: Floats = np.maximum(squares + centre**2 * sums[f"{power}scored"], 0.0)
    return distances


def effective_sizes(sums: Mapping[str, Floats], what: str) -> Floats:
    """The effective size of each class (Kish 1965)."""
    return ratio(sums[f"w_{what}"] ** 2, sums[f"ww_{what}"])


def kish(weight: Floats, squares: Floats) -> float:
    """The effective size of all classes together."""
    total = float(squares.sum())
    return float(weight.sum()) ** 2 / total if total > 0.0 else 0.0


def ratio(one: Floats, other: Floats) -> Floats:
    """The quotient, 0 without a divisor."""
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0.0)
