"""Savings: what always one model would have cost, from sums of randomised first draws, with intervals.

The requests and what each model would have done with them are taken as fixed; only the draws (and which answers were
scored) are random. So the router's own cost is known exactly, and all doubt is about the model that did not answer.
With w = 1/p of each first draw of a model, N requests of a class and m the shrunk mean of w·y in it,

- the estimate of a class is N·m + Σ w (y - m): doubly robust (Dudík, Langford and Li 2011), with the mean as its model;
- a scored answer weighs w/ρ, ρ the rate of scoring of the model in the class: scores are taken to be missing at random;
- `bandit.ope.variances` has the variances of these sums, `bandit.ope.spread` the intervals; that of the rate of
  failures is Wilson's (1927).

Days and classes in which a model was never drawn, although 5 draws or more were to be expected, are left out for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CELL_WEIGHT, CONFIDENCE, SMALLEST_EFFECTIVE_SIZE, Estimate, wilson
from bandit.ope.spread import NORMAL, Spread, freedom, interval
from bandit.ope.student import student_quantile
from bandit.ope.sums import Sums, possible
from bandit.ope.variances import (
    FIRST,
    ModelSums,
    Outcomes,
    about,
    centre,
    effective_sizes,
    kish,
    mean_weight,
    scores_spread,
    shared_scores,
)
from bandit.types import Objective
from bandit.utility import utility_usd

Floats = NDArray[np.float64]

STRONG_EFFECTIVE_SIZE = 200.0


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

    @property
    def evidence(self) -> Evidence:
        """How much is known of the model's cost and wait."""
        return evidence_of(self.effective_size)


def evidence_of(size: float) -> Evidence:
    """How much an effective size says."""
    if size < SMALLEST_EFFECTIVE_SIZE:
        return Evidence.NONE
    return Evidence.STRONG if size > STRONG_EFFECTIVE_SIZE else Evidence.SOME


def actual_of(sums: Sums) -> Actual:
    """What the router's own first draws came to."""
    return _Own(sums, np.ones((len(sums.days), len(sums.tasks)))).actual


def always(sums: Sums, model_id: str, objective: Objective) -> Always:
    """Estimate what always this model would have come to. A model without draws has no evidence."""
    fixed = _fixed(sums, model_id)
    if fixed is None:
        return _unknown(model_id)
    own, enough, scored, told = fixed.own, fixed.is_enough, fixed.is_scored, fixed.tells(objective)
    return Always(
        model_id=model_id,
        covered=own.requests / float(sums.values["requests"].sum()),
        actual=own.actual,
        cost_usd=fixed.mean("cost") if enough else None,
        seconds=fixed.mean("seconds") if enough else None,
        success=fixed.success() if enough else None,
        quality=fixed.quality() if enough and scored else None,
        saved_usd=fixed.saved() if enough else None,
        worth_difference_usd=fixed.worth_difference(objective) if told else None,
        worth_usd=fixed.worth(objective) if told else None,
        effective_size=fixed.size,
        quality_size=fixed.quality_size,
    )


def best_fixed(sums: Sums, model_ids: Sequence[str], objective: Objective) -> tuple[str, Estimate] | None:
    """The model with the largest estimated worth, and what was saved against it; None: none is known well enough."""
    of_models = [(model_id, _fixed(sums, model_id)) for model_id in model_ids]
    told = {id_: fixed for id_, fixed in of_models if fixed is not None and fixed.tells(objective)}
    best = max(told, key=lambda id_: told[id_].worth(objective), default=None)
    return None if best is None else (best, told[best].saved())


def daily_costs(sums: Sums, model_id: str) -> tuple[Daily, ...]:
    """What each day would have cost with always this model; nothing without enough evidence."""
    fixed = _fixed(sums, model_id)
    return () if fixed is None or not fixed.is_enough else fixed.daily_cost()


def _fixed(sums: Sums, model_id: str) -> "_Fixed | None":
    """The estimates for a model over what it could have answered; None: it was never drawn."""
    arm = sums.models.index(model_id) if model_id in sums.models else None
    values = sums.values
    if arm is None or not values["requests"][:, :, arm].any():
        return None
    kept = possible(values, arm)
    return _Fixed(sums, arm, kept, _Own(sums, kept))


class _Own:
    """The router's own draws in the days and classes that are compared."""

    def __init__(self, sums: Sums, kept: Floats) -> None:
        # By class and model.
        by_model = np.einsum("ndgk,dg->ngk", sums.cube, kept)
        self.sums = dict(zip(sums.names, by_model, strict=True))
        self.by_task = dict(zip(sums.names, by_model.sum(axis=2), strict=True))
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
            squares = about(self.sums, "", self.expected)
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

    def __init__(self, sums: Sums, arm: int, kept: Floats, own: _Own) -> None:
        self.own = own
        self._n = own.by_task["requests"]  # N of each class
        values = sums.values
        self._daily_n = values["requests"].sum(axis=2) * kept
        self._daily_cost = values["cost"].sum(axis=2) * kept
        self._days = sums.days
        mine = {name: values[:, arm] for name, values in own.sums.items()}
        weight = mine["w_requests"]
        self.size, self.quality_size = kish(weight, mine["ww_requests"]), kish(mine["w_scored"], mine["ww_scored"])
        self.is_enough = self.size >= SMALLEST_EFFECTIVE_SIZE
        self.is_scored = self.quality_size >= SMALLEST_EFFECTIVE_SIZE and own.actual.quality is not None
        sizes, score_sizes = effective_sizes(mine, "requests"), effective_sizes(mine, "scored")
        centres = [centre(mine[f"w_{name}"], weight, sizes) for name in FIRST]
        self._total = [
            self._n * middle + mine[f"w_{name}"] - middle * weight for name, middle in zip(FIRST, centres, strict=True)
        ]
        # Answers that always this model would have given, their scores, and the share of them that is scored.
        rate = np.where(own.rate[:, arm] > 0.0, own.rate[:, arm], 1.0)
        quality = centre(mine["w_quality"], mine["w_scored"], score_sizes)
        answers = np.maximum(self._n - self._total[2], 0.0)
        self._scores: Floats = answers * quality + (mine["w_quality"] - quality * mine["w_scored"]) / rate
        self._model = ModelSums(
            sums=mine,
            requests=self._n,
            sizes=sizes,
            centres=centres,
            rate=rate,
            quality=quality,
            answers=answers,
            score_sizes=score_sizes,
        )

    @cached_property
    def _outcomes(self) -> Outcomes:
        return Outcomes(self._model)

    def tells(self, objective: Objective) -> bool:
        """Whether the worth of a request is known well enough."""
        return self.is_enough and (self.is_scored or objective.quality_usd <= 0.0)

    def mean(self, figure: str) -> Estimate:
        """The mean `cost` or `seconds` of a request."""
        n = float(self._n.sum())
        return interval(float(self._total[FIRST.index(figure)].sum()) / n, 1.0 / n, self._spread_of(figure))

    def saved(self) -> Estimate:
        """What all requests together cost less than with this model."""
        return _scaled(self.mean("cost"), self.own.requests, -self.own.actual.cost_usd)

    def success(self) -> Estimate:
        """The share of requests that it does not fail: near 1, so the interval is not symmetric."""
        n = float(self._n.sum())
        weight, squares = self._model.sums["w_requests"], self._model.sums["ww_requests"]
        excess = np.maximum(self._n * (mean_weight(weight, squares) - 1.0), 0.0)
        # z² over how many requests sent there at random would be as much in doubt.
        free = freedom(Spread(excess, self._model.sizes, NORMAL))
        doubt = student_quantile(free, 0.5 + CONFIDENCE / 2.0) ** 2 * float(excess.sum()) / n**2
        failed = min(max(float(self._total[2].sum()) / n, 0.0), 1.0)
        failures = wilson(failed, doubt)
        return Estimate(1.0 - failed, 1.0 - failures.high, 1.0 - failures.low)

    def daily_cost(self) -> tuple[Daily, ...]:
        """What each day would have cost, its requests taken as what their classes cost in all days."""
        found: list[Daily] = []
        n = np.maximum(self._n, 1.0)
        each, spread = self._total[0] / n, self._spread_of("cost").scaled(1.0 / n)
        for day, requests, usd in zip(self._days, self._daily_n, self._daily_cost, strict=True):
            if requests.sum() > 0.0:
                always_usd = interval(float((requests * each).sum()), 1.0, spread.scaled(requests))
                found.append(Daily(day, float(usd.sum()), always_usd))
        return tuple(found)

    def quality(self) -> Estimate:
        """The mean score of its answers."""
        answers = max(float(self._model.answers.sum()), 1.0)
        return interval(float(self._scores.sum()) / answers, 1.0 / answers, scores_spread(self._model))

    def worth(self, objective: Objective) -> float:
        """The worth of a request with this model."""
        n = float(self._n.sum())
        cost, seconds, failed = (float(each.sum()) / n for each in self._total)
        quality = float(self._scores.sum()) / n
        return utility_usd(objective, quality=quality, failed=failed, cost_usd=cost, seconds=seconds)

    def worth_difference(self, objective: Objective) -> Estimate:
        """The worth of a request with the router minus that with this model, in one interval."""
        # Worth by class is Q·(1 - f)·q - cost - second·seconds - F·f: to first order, f counts -(F + Q·q).
        # The router's worth is known but for its scores.
        coefficients = [
            np.ones_like(self._n),
            np.full_like(self._n, objective.second_usd),
            objective.failure_usd + self._model.quality * objective.quality_usd,
        ]
        outcomes = self._outcomes.spread(coefficients)
        scores = scores_spread(self._model).scaled(-objective.quality_usd)
        shared = objective.quality_usd**2 * (self.own.variance - 2.0 * shared_scores(self._model))
        more = max(shared, -float(scores.variance.sum()))
        difference = _worth(self.own.actual, objective) - self.worth(objective)
        return interval(difference, 1.0 / float(self._n.sum()), outcomes, scores, more=more)

    def _spread_of(self, figure: str) -> Spread:
        return self._outcomes.spread([np.full_like(self._n, float(name == figure)) for name in FIRST])


def _shrunk(total: Floats, number: Floats, prior: Floats | float) -> Floats:
    shrunk: Floats = (total + CELL_WEIGHT * prior) / (number + CELL_WEIGHT)
    return shrunk


def _scaled(estimate: Estimate, times: float, plus: float) -> Estimate:
    return Estimate(*(times * (each + plus) for each in (estimate.mean, estimate.low, estimate.high)))


def _worth(actual: Actual, objective: Objective) -> float:
    quality = 0.0 if actual.quality is None else actual.quality
    return utility_usd(
        objective,
        quality=actual.success * quality,
        failed=1.0 - actual.success,
        cost_usd=actual.cost_usd,
        seconds=actual.seconds,
    )


def _unknown(model_id: str) -> Always:
    nothing = Actual(0.0, 0.0, 0.0, 0.0, None)
    return Always(model_id, 0.0, nothing, None, None, None, None, None, None, None, 0.0, 0.0)
