"""Savings: what always one model would have cost, from sums of randomised first draws, with intervals.

The requests and what each model would have done with them are taken as fixed; only the draws (and which answers were
scored) are random. So the router's own cost is known exactly, and all doubt is about the model that did not answer.
With w = 1/p of each first draw of a model, N requests of a class and m the shrunk mean of w·y in it,

- the estimate of a class is N·m + Σ w (y - m): doubly robust (Dudík, Langford and Li 2011), with the mean as its model;
- its variance is Σ w (w - 1)(y - m)² (Horvitz and Thompson 1952), averaged with the same sum of spreads that are pooled
  over the class, because rare draws with large weights make the former too small until they happen;
- a scored answer weighs w/ρ, ρ the rate of scoring of the model in the class: scores are taken to be missing at random;
- intervals are Student's: the degrees of freedom are those of a sum of the classes' variances (Satterthwaite 1946),
  each with the effective size (Kish 1965) of its draws; that of the rate of failures is Wilson's (1927).

Days and classes in which a model was never drawn, although 5 draws or more were to be expected, are left out for it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bandit.ope.estimators import CELL_WEIGHT, CONFIDENCE, SMALLEST_EFFECTIVE_SIZE, SPREAD_WEIGHT, Estimate
from bandit.types import Objective
from bandit.utility import utility_usd

Floats = NDArray[np.float64]

STRONG_EFFECTIVE_SIZE = 200.0
LEAST_OWN_DRAWS = 2.0
EXPECTED_DRAWS = 5.0
"""A model that was not drawn, although so many draws were to be expected, is taken for one that could not be."""

_FIRST = ("cost", "seconds", "failed")
_PAIRS = {
    (0, 0): "cost_cost",
    (1, 1): "seconds_seconds",
    (2, 2): "failed",  # its own square
    (0, 1): "cost_seconds",
    (0, 2): "cost_failed",
    (1, 2): "seconds_failed",
}


class Evidence(StrEnum):
    """How much is known of a model: effective sizes above 200, of 30 or more, and below."""

    STRONG = "strong"
    SOME = "some"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Actual:
    """What the router's first draws came to, per request; `quality` is of answers, None without a score."""

    requests: float
    cost_usd: float
    seconds: float
    success: float
    quality: float | None


@dataclass(frozen=True, slots=True)
class Daily:
    """One day's dollars of the requests that are compared: the router's own, and what the model would have cost."""

    day: int
    cost_usd: float
    always_usd: Estimate


@dataclass(frozen=True, slots=True)
class Always:
    """What always one model would have come to, per request, over the requests for which it could be drawn.

    `actual` is the router's over the same requests, `saved_usd` what all of them together cost less than with this
    model, and `worth_difference_usd` the router's worth of one request minus this model's. Estimates are None without
    enough evidence. `quality_size` is the effective size of the scored ones alone.
    """

    model_id: str
    covered: float
    actual: Actual
    cost_usd: Estimate | None
    seconds: Estimate | None
    success: Estimate | None
    quality: Estimate | None
    saved_usd: Estimate | None
    worth_difference_usd: Estimate | None
    worth_usd: float | None
    effective_size: float
    quality_size: float
    daily: tuple["Daily", ...]

    @property
    def evidence(self) -> Evidence:
        """How much is known of the model's cost and wait."""
        return evidence_of(self.effective_size)


def evidence_of(size: float) -> Evidence:
    """How much an effective size says."""
    if size < SMALLEST_EFFECTIVE_SIZE:
        return Evidence.NONE
    return Evidence.STRONG if size > STRONG_EFFECTIVE_SIZE else Evidence.SOME


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums of first draws, of shape (days, classes, models) by name: see `storage.tables.fixed_sums`."""

    days: tuple[int, ...]
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    values: dict[str, Floats]

    @classmethod
    def of(cls, names: Sequence[str], rows: Collection[tuple[int, str, str, Sequence[float]]]) -> "Sums":
        """Arrange rows of (day, class, model, sums in the order of `names`)."""
        days = {day: place for place, day in enumerate(sorted({row[0] for row in rows}))}
        tasks = {task: place for place, task in enumerate(sorted({row[1] for row in rows}))}
        models = {model_id: place for place, model_id in enumerate(sorted({row[2] for row in rows}))}
        cube = np.zeros((len(names), len(days), len(tasks), len(models)))
        for day, task, model_id, sums in rows:
            cube[:, days[day], tasks[task], models[model_id]] += sums
        return cls(tuple(days), tuple(tasks), tuple(models), dict(zip(names, cube, strict=True)))


def actual_of(sums: Sums) -> Actual:
    """What the router's own first draws came to."""
    return _Own(sums, np.ones((len(sums.days), len(sums.tasks)))).actual


def always(sums: Sums, model_id: str, objective: Objective) -> Always:
    """Estimate what always this model would have come to. A model without draws has no evidence."""
    everything = float(sums.values["requests"].sum())
    arm = sums.models.index(model_id) if model_id in sums.models else None
    if arm is None or not sums.values["requests"][:, :, arm].any():
        return _unknown(model_id)
    possible = _possible(sums.values, arm)
    own = _Own(sums, possible)
    fixed = _Fixed(sums, arm, possible, own)
    size, quality_size = fixed.size, fixed.quality_size
    enough = size >= SMALLEST_EFFECTIVE_SIZE
    scored = quality_size >= SMALLEST_EFFECTIVE_SIZE and own.actual.quality is not None
    told = enough and (scored or objective.quality_usd <= 0.0)
    cost = fixed.mean("cost")
    worth = fixed.worth_difference(objective) if told else None
    own_worth = _worth(own.actual, objective)
    return Always(
        model_id=model_id,
        covered=own.requests / everything,
        actual=own.actual,
        cost_usd=cost if enough else None,
        seconds=fixed.mean("seconds") if enough else None,
        success=fixed.success() if enough else None,
        quality=fixed.quality() if enough and scored else None,
        saved_usd=_scaled(cost, own.requests, -own.actual.cost_usd) if enough else None,
        worth_difference_usd=worth,
        worth_usd=None if worth is None else own_worth - worth.mean,
        effective_size=size,
        quality_size=quality_size,
        daily=fixed.daily_cost() if enough else (),
    )


class _Own:
    """The router's own draws in the days and classes that are compared."""

    def __init__(self, sums: Sums, possible: Floats) -> None:
        # By class and model.
        self.sums = {name: np.einsum("dgk,dg->gk", values, possible) for name, values in sums.values.items()}
        self.by_task = {name: values.sum(axis=1) for name, values in self.sums.items()}
        self.requests = float(self.by_task["requests"].sum())
        answered = self.sums["requests"] - self.sums["failed"]
        scored, quality = self.sums["scored"], self.sums["quality"]
        total = float(scored.sum())
        if total > 0.0:
            model = _shrunk(quality.sum(axis=0), scored.sum(axis=0), float(quality.sum()) / total)
            self.expected: Floats = _shrunk(quality, scored, model)
            # ρ, the rate of scoring, shrunk to the model's.
            rate = _shrunk(scored.sum(axis=0), answered.sum(axis=0), total / max(float(answered.sum()), 1.0))
            self.rate: Floats = np.clip(_shrunk(scored, answered, rate), 1e-3, 1.0)
            residual = (quality - self.expected * scored) / self.rate
            self.answers = float((answered * self.expected + residual).sum())
            squares = _about(self.sums, "", self.expected)
            self.variance = float((squares * (1.0 - self.rate) / self.rate**2).sum())
        else:
            self.expected = self.rate = np.zeros_like(scored)
            self.answers = self.variance = 0.0
        n, successes = max(self.requests, 1.0), float(answered.sum())
        self.actual = Actual(
            requests=self.requests,
            cost_usd=float(self.by_task["cost"].sum()) / n,
            seconds=float(self.by_task["seconds"].sum()) / n,
            success=successes / n,
            quality=self.answers / successes if total > 0.0 and successes > 0.0 else None,
        )


class _Fixed:
    """Estimates for one model, class by class, added up."""

    def __init__(self, sums: Sums, arm: int, possible: Floats, own: _Own) -> None:
        self._own = own
        self._n = own.by_task["requests"]  # N of each class
        self._daily_n = sums.values["requests"].sum(axis=2) * possible
        self._daily_cost = sums.values["cost"].sum(axis=2) * possible
        self._days = sums.days
        self._sums = mine = {name: values[:, arm] for name, values in own.sums.items()}
        weight, squares = mine["w_requests"], mine["ww_requests"]
        self.size, self.quality_size = _kish(weight, squares), _kish(mine["w_scored"], mine["ww_scored"])
        self._sizes = _ratio(weight**2, squares)
        self._usual = [float(mine[f"w_{name}"].sum()) / float(weight.sum()) for name in _FIRST]
        self._centre = [_centre(mine[f"w_{name}"], weight, self._sizes) for name in _FIRST]
        self._total = [
            self._n * centre + mine[f"w_{name}"] - centre * weight
            for name, centre in zip(_FIRST, self._centre, strict=True)
        ]
        # Answers that always this model would have given, their scores, and the share of them that is scored.
        rate = own.rate[:, arm]
        self._rate: Floats = np.where(rate > 0.0, rate, 1.0)
        self._score_sizes = _ratio(mine["w_scored"] ** 2, mine["ww_scored"])
        self._quality = _centre(mine["w_quality"], mine["w_scored"], self._score_sizes)
        self._answers: Floats = np.maximum(self._n - self._total[2], 0.0)
        self._scores: Floats = (
            self._answers * self._quality + (mine["w_quality"] - self._quality * mine["w_scored"]) / self._rate
        )

    def mean(self, figure: str) -> Estimate:
        """The mean `cost` or `seconds` of a request."""
        n, place = float(self._n.sum()), _FIRST.index(figure)
        by_task = self._variance([np.full_like(self._n, float(number == place)) for number in range(len(_FIRST))])
        mean = float(self._total[place].sum()) / n
        return _interval(mean, float(by_task.sum()) / n**2, _freedom((by_task, self._sizes)))

    def success(self) -> Estimate:
        """The share of requests that it does not fail: near 1, so the interval is not symmetric."""
        n = float(self._n.sum())
        excess = self._n * (_mean_weight(self._sums["w_requests"], self._sums["ww_requests"]) - 1.0)
        # z² over how many requests sent there at random would be as much in doubt.
        freedom = _freedom((np.maximum(excess, 0.0), self._sizes))
        doubt = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)) ** 2 * float(np.maximum(excess, 0.0).sum()) / n**2
        failed = min(max(float(self._total[2].sum()) / n, 0.0), 1.0)
        middle = (failed + doubt / 2.0) / (1.0 + doubt)
        half = (doubt * failed * (1.0 - failed) + doubt**2 / 4.0) ** 0.5 / (1.0 + doubt)
        return Estimate(1.0 - failed, 1.0 - middle - half, 1.0 - middle + half)

    def daily_cost(self) -> tuple[Daily, ...]:
        """What each day would have cost, its requests taken as what their classes cost in all days."""
        spread = self._variance([np.full_like(self._n, float(name == "cost")) for name in _FIRST])
        freedom = _freedom((spread, self._sizes))
        found: list[Daily] = []
        n = np.maximum(self._n, 1.0)
        each, doubt = self._total[0] / n, spread / n**2
        for day, requests, usd in zip(self._days, self._daily_n, self._daily_cost, strict=True):
            if requests.sum() > 0.0:
                variance = float((requests**2 * doubt).sum())
                always_usd = _interval(float((requests * each).sum()), variance, freedom)
                found.append(Daily(day, float(usd.sum()), always_usd))
        return tuple(found)

    def quality(self) -> Estimate:
        """The mean score of its answers."""
        answers, by_task = max(float(self._answers.sum()), 1.0), self._score_variance()
        freedom = _freedom((by_task, self._score_sizes))
        return _interval(float(self._scores.sum()) / answers, float(by_task.sum()) / answers**2, freedom)

    def worth_difference(self, objective: Objective) -> Estimate:
        """The worth of a request with the router minus that with this model, in one interval."""
        n = float(self._n.sum())
        # Worth by class is Q·(1 - f)·q - cost - second·seconds - F·f: to first order, f counts -(F + Q·q).
        coefficients = [
            np.full_like(self._n, -1.0),
            np.full_like(self._n, -objective.second_usd),
            -objective.failure_usd - self._quality * objective.quality_usd,
        ]
        by_task, scored = self._variance(coefficients), objective.quality_usd**2 * self._score_variance()
        freedom = _freedom((by_task, self._sizes), (scored, self._score_sizes))
        shared = objective.quality_usd**2 * (self._own.variance - 2.0 * self._shared())
        variance = float(by_task.sum()) + max(float(scored.sum()) + shared, 0.0)
        cost, seconds, failed = (float(each.sum()) / n for each in self._total)
        worth = _utility(objective, float(self._scores.sum()) / n, failed, cost, seconds)
        return _interval(_worth(self._own.actual, objective) - worth, variance / n**2, freedom)

    def _variance(self, coefficients: Sequence[Floats]) -> Floats:
        """The variance of the sum over each class of a combination of cost, seconds and failures."""
        mine = self._sums
        weight, squares = mine["w_requests"], mine["ww_requests"]
        own, first, usual = np.zeros_like(weight), np.zeros_like(weight), np.zeros_like(weight)
        for (i, j), name in _PAIRS.items():
            factor = coefficients[i] * coefficients[j] * (1.0 if i == j else 2.0)
            about = (self._centre[i], self._centre[j])
            once = self._moment("w_", i, j, name, about)
            own += factor * (self._moment("ww_", i, j, name, about) - once)
            first += factor * once
            around = self._moment("w_", i, j, name, (self._usual[i], self._usual[j]))
            usual += factor * float(around.sum()) / float(weight.sum())
        # A failure more and an answer more: none in a few draws doesn't mean that there are none.
        rate = (self.size * self._usual[2] + 1.0) / (self.size + 2.0)
        usual += coefficients[2] ** 2 * max(rate * (1.0 - rate) - self._usual[2] * (1.0 - self._usual[2]), 0.0)
        excess = self._n * (_mean_weight(weight, squares) - 1.0)
        return _averaged(own, _ratio(first, weight), usual, excess, self._sizes)

    def _moment(
        self, power: str, i: int, j: int, name: str, about: tuple[Floats, Floats] | tuple[float, float]
    ) -> Floats:
        """Σ of weights times the product of two outcomes' distances from their centres."""
        mine, (a, b) = self._sums, about
        one, other = mine[f"{power}{_FIRST[i]}"], mine[f"{power}{_FIRST[j]}"]
        moment: Floats = mine[f"{power}{name}"] - b * one - a * other + a * b * mine[f"{power}requests"]
        return moment

    def _score_variance(self) -> Floats:
        """The variance of the sum of scores over each class."""
        mine, weight = self._sums, self._sums["w_scored"]
        first, second = _about(mine, "w_", self._quality), _about(mine, "ww_", self._quality)
        own = second / self._rate**2 - first / self._rate
        total = float(weight.sum())
        around = _about(mine, "w_", float(mine["w_quality"].sum()) / total if total > 0.0 else 0.0)
        usual = np.full_like(weight, float(around.sum()) / total if total > 0.0 else 0.0)
        excess = self._answers * (_mean_weight(weight, mine["ww_scored"]) / self._rate - 1.0)
        return _averaged(own, _ratio(first, weight), usual, excess, self._score_sizes)

    def _shared(self) -> float:
        """The covariance of this model's scores with the router's own: the same answers are scored or not."""
        squares = _about(self._sums, "w_", self._quality)
        return float((squares * (1.0 - self._rate) / self._rate**2).sum())


def _averaged(own: Floats, spread: Floats, usual: Floats, excess: Floats, size: Floats) -> Floats:
    """The variance of each class: the mean of its `own` sum and of its pooled spread times the `excess` Σ (1/p - 1).

    Both lose one of their `size` to the estimated mean. The spread leans on the `usual` one as if on some draws more,
    and stands alone in classes of less than two draws.
    """
    left = np.maximum(size - 1.0, 0.0)
    pooled = (size * np.maximum(spread, 0.0) + SPREAD_WEIGHT * np.maximum(usual, 0.0)) / (left + SPREAD_WEIGHT)
    modelled = np.maximum(excess, 0.0) * pooled
    corrected = np.maximum(own, 0.0) * _ratio(size, left)
    averaged: Floats = np.where(size >= LEAST_OWN_DRAWS, (corrected + modelled) / 2.0, modelled)
    return averaged


def _freedom(*parts: tuple[Floats, Floats]) -> float:
    """Degrees of freedom of a sum of variances with their sizes (Satterthwaite 1946)."""
    total = sum(float(variance.sum()) for variance, _ in parts)
    squares = sum(
        float((variance**2 / (np.maximum(size - 1.0, 0.0) + SPREAD_WEIGHT)).sum()) for variance, size in parts
    )
    return total**2 / squares if squares > 0.0 else 1.0


def _centre(total: Floats, weight: Floats, size: Floats) -> Floats:
    """The mean of each class, shrunk to that of all."""
    all_ = float(weight.sum())
    everywhere = float(total.sum()) / all_ if all_ > 0.0 else 0.0
    centre: Floats = (size * _ratio(total, weight) + CELL_WEIGHT * everywhere) / (size + CELL_WEIGHT)
    return centre


def _mean_weight(weight: Floats, squares: Floats) -> Floats:
    """The mean of 1/p over the requests of each class, leaned on that of all as if on two draws more."""
    total = float(weight.sum())
    usual = float(squares.sum()) / total if total > 0.0 else 1.0
    mean: Floats = (squares + SPREAD_WEIGHT * usual**2) / (weight + SPREAD_WEIGHT * usual)
    return mean


def _ratio(one: Floats, other: Floats) -> Floats:
    """The quotient, 0 without a divisor."""
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0.0)


def _possible(values: dict[str, Floats], arm: int) -> Floats:
    """1.0 for each day and class in which the model could be drawn, as far as its draws tell, else 0.0."""
    drawn, all_ = values["requests"][:, :, arm], values["requests"].sum(axis=2)
    possible = np.ones_like(drawn)
    # The harmonic mean of p: a model that is drawn seldom now may have been drawn often at first.
    weight, squares = values["w_requests"][:, :, arm].sum(axis=0), values["ww_requests"][:, :, arm].sum(axis=0)
    usual = float(weight.sum()) / float(squares.sum())
    for task in range(drawn.shape[1]):
        expected = weight[task] / squares[task] if squares[task] > 0.0 else usual
        start, absent = 0, 0.0
        for day in range(drawn.shape[0] + 1):
            if day == drawn.shape[0] or drawn[day, task] > 0.0:
                if absent * expected >= EXPECTED_DRAWS:
                    possible[start:day, task] = 0.0
                start, absent = day + 1, 0.0
            else:
                absent += float(all_[day, task])
    return possible


def _about(sums: dict[str, Floats], power: str, centre: Floats | float) -> Floats:
    """Σ of weights times squared distances of scores from their centre."""
    squares = sums[f"{power}quality_quality"] - 2.0 * centre * sums[f"{power}quality"]
    about: Floats = np.maximum(squares + centre**2 * sums[f"{power}scored"], 0.0)
    return about


def _shrunk(total: Floats, number: Floats, prior: Floats | float) -> Floats:
    shrunk: Floats = (total + CELL_WEIGHT * prior) / (number + CELL_WEIGHT)
    return shrunk


def _kish(weight: Floats, squares: Floats) -> float:
    total = float(squares.sum())
    return float(weight.sum()) ** 2 / total if total > 0.0 else 0.0


def _interval(mean: float, variance: float, freedom: float) -> Estimate:
    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)) * max(variance, 0.0) ** 0.5
    return Estimate(mean, mean - half, mean + half)


def _scaled(estimate: Estimate, times: float, plus: float) -> Estimate:
    return Estimate(*(times * (each + plus) for each in (estimate.mean, estimate.low, estimate.high)))


def _worth(actual: Actual, objective: Objective) -> float:
    quality = 0.0 if actual.quality is None else actual.quality
    return _utility(objective, actual.success * quality, 1.0 - actual.success, actual.cost_usd, actual.seconds)


def _utility(objective: Objective, quality: float, failed: float, cost_usd: float, seconds: float) -> float:
    figures = np.array([quality, failed, cost_usd, seconds])[:, np.newaxis]
    worth = utility_usd(objective, quality=figures[0], failed=figures[1], cost_usd=figures[2], seconds=figures[3])
    return float(worth[0])


def _unknown(model_id: str) -> Always:
    nothing = Actual(0.0, 0.0, 0.0, 0.0, None)
    return Always(model_id, 0.0, nothing, None, None, None, None, None, None, None, 0.0, 0.0, ())
