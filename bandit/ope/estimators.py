"""Off-policy evaluation: estimates what another policy would have cost and scored from the log alone, with intervals.

The unit is the first draw of a request. Re-draws after a failure and draws of sticky conversations were not randomised
and are left out. Scores are assumed to be missing at random given the model and the class: whether an answer is scored
does not depend on how good it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CONFIDENCE, SMALLEST_EFFECTIVE_SIZE, SPREAD_WEIGHT, Estimate, Figure
from bandit.ope.fitted import Fitted, Outcome
from bandit.ope.logged import check_distributions
from bandit.ope.student import student_quantile
from bandit.types import Objective
from bandit.utility import utility_usd

Floats = NDArray[np.float64]

SMALLEST_SCALE = 1e-24
LARGEST_UNSEEN = 0.05


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Estimates of a target policy, by figure.

    `effective_size` is how many decisions of the target's own would say as much (Kish 1965). `refused` says why a
    figure has no estimate: the evidence is too thin. `left_out` counts the decisions that could not be used, by reason.
    """

    decisions: int
    ips: Mapping[Figure, Estimate]
    snips: Mapping[Figure, Estimate]
    doubly_robust: Mapping[Figure, Estimate]
    effective_size: Mapping[Figure, float]
    refused: Mapping[Figure, str]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """A target beside what was logged. `difference` is the target's mean less the logged one, paired by decision.

    Its interval is narrower than that of two estimates apart: what the same decisions have in common cancels.
    """

    target: Evaluation
    logged: Evaluation
    difference: Mapping[Figure, Estimate]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One figure under one target, by decision: the mean of each array is the estimate, and utility a sum of parts.

    `expected` is m by group, as in `Outcome`.
    """

    ips: Floats
    snips: Floats
    robust: Floats
    residual: Floats
    weight: Floats
    expected: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Under:
    """A target: its probabilities by choice and model, those of the chosen over the logged ones, and each figure."""

    shares: Floats
    ratio: Floats
    parts: Mapping[Figure, _Part]


def compare(fitted: Fitted, target: Floats, objective: Objective, pause: Callable[[], None] = lambda: None) -> Compared:
    """Estimate a target, what was logged, and the difference; see `evaluate`. Raises ValueError.

    `pause` is called between steps of a millisecond or two.
    """
    _check(fitted, target)
    if not fitted.outcomes:
        nothing = _nothing(fitted.left_out)
        return Compared(nothing, nothing, {})
    data = fitted.data
    pause()
    one = _under(fitted, target, objective)
    pause()
    other = _under(fitted, data.probabilities, objective)
    pause()
    told, beside = _evaluation(fitted, one), _evaluation(fitted, other)
    pause()
    squares = _squares(fitted, one.shares - other.shares)
    ratio = one.ratio - other.ratio
    difference: dict[Figure, Estimate] = {}
    for figure in told.doubly_robust.keys() & beside.doubly_robust.keys():
        part, terms = one.parts[figure], one.parts[figure].robust - other.parts[figure].robust
        variance = _variance(fitted, part, terms - ratio * part.residual, squares)
        difference[figure] = _estimate(terms, told.effective_size[figure], variance)
    return Compared(told, beside, difference)


def evaluate(fitted: Fitted, target: Floats, objective: Objective) -> Evaluation:
    """Estimate a target; row `c` of it holds its probabilities, by model, in choice `c`.

    With π the target's and p the logged probability of the chosen model, and w = π/p:

    - IPS is the mean of w·y (Horvitz and Thompson 1952);
    - SNIPS divides that by the mean of w (Swaminathan and Joachims 2015);
    - doubly robust is the mean of m(x, π) + w·(y - m) (Dudík, Langford and Li 2011), with m the shrunk mean per model
      and class of the other folds.

    A score counts 1/ρ, ρ the rate of scoring; cost, seconds and failures are always seen. Intervals are Student's, with
    the effective size for the degrees of freedom.

    Raises ValueError if the target is no distribution, or has another shape than the logged probabilities.
    """
    _check(fitted, target)
    return _evaluation(fitted, _under(fitted, target, objective)) if fitted.outcomes else _nothing(fitted.left_out)


def _check(fitted: Fitted, target: Floats) -> None:
    shape = fitted.data.probabilities.shape
    if target.shape != shape:
        raise ValueError(f"target: needs probabilities of shape {shape}, not {target.shape}")
    check_distributions(target)


def _under(fitted: Fitted, target: Floats, objective: Objective) -> _Under:
    data = fitted.data
    ratio = data.of_chosen(target) / data.of_chosen(data.probabilities)
    return _Under(target, ratio, _parts(fitted, target, ratio, objective))


def _evaluation(fitted: Fitted, under: _Under) -> Evaluation:
    data, parts = fitted.data, under.parts
    unseen = float(fitted.drawn.sum(axis=0) @ (under.shares * (data.probabilities <= 0.0)).sum(axis=1)) / len(data.arm)
    squares = _squares(fitted, under.shares)
    sizes = {figure: _effective_size(part.weight) for figure, part in parts.items()}
    refused = {figure: why for figure, size in sizes.items() if (why := _refusal(size, unseen))}
    told = {figure: part for figure, part in parts.items() if figure not in refused}
    return Evaluation(
        decisions=len(data.arm),
        ips={figure: _estimate(part.ips, sizes[figure]) for figure, part in told.items()},
        snips={figure: _estimate(part.snips, sizes[figure]) for figure, part in told.items()},
        doubly_robust={
            figure: _estimate(
                part.robust,
                sizes[figure],
                _variance(fitted, part, part.robust - under.ratio * part.residual, squares),
            )
            for figure, part in told.items()
        },
        effective_size=sizes,
        refused=refused,
        left_out=fitted.left_out,
        notes=_notes(unseen),
    )


def _nothing(left_out: Mapping[str, int]) -> Evaluation:
    why = "not enough evidence: no randomised decision is old enough to be judged"
    return Evaluation(
        decisions=0,
        ips={},
        snips={},
        doubly_robust={},
        effective_size={},
        refused=dict.fromkeys(Figure, why),
        left_out=left_out,
        notes=(),
    )


def _parts(fitted: Fitted, shares: Floats, ratio: Floats, objective: Objective) -> dict[Figure, _Part]:
    """Every figure; utility, linear in the others, is composed term by term: failed is 1 - success."""
    parts = {figure: _part(fitted, outcome, shares, ratio) for figure, outcome in fitted.outcomes.items()}
    quality, cost = parts[Figure.QUALITY], parts[Figure.COST]
    seconds, success = parts[Figure.SECONDS], parts[Figure.SUCCESS]

    def utility(terms: Callable[[_Part], Floats], certain: float = 1.0) -> Floats:
        return utility_usd(
            objective,
            quality=terms(quality),
            failed=certain - terms(success),
            cost_usd=terms(cost),
            seconds=terms(seconds),
        )

    parts[Figure.UTILITY] = _Part(
        ips=utility(lambda part: part.ips),
        snips=utility(lambda part: part.snips),
        robust=utility(lambda part: part.robust),
        residual=utility(lambda part: part.residual, certain=0.0),
        weight=(quality if objective.quality_usd > 0.0 else cost).weight,
        expected=_utility_scale(objective, quality, cost, seconds, success),
    )
    return parts


def _part(fitted: Fitted, outcome: Outcome, shares: Floats, ratio: Floats) -> _Part:
    """The terms of one figure under a target with these probabilities, `ratio` of the logged ones for the chosen."""
    weight = outcome.seen * ratio
    total = weight.sum()
    mean = float((weight * outcome.value).sum() / total) if total > 0.0 else 0.0
    # A ratio of means has no terms of its own: its mean plus each decision's influence on it (the delta method).
    influence = weight * (outcome.value - mean) * (len(weight) / total if total > 0.0 else 0.0)
    return _Part(
        ips=weight * outcome.value,
        snips=mean + influence,
        robust=(shares @ outcome.expected.T)[fitted.data.choice, fitted.group] + ratio * outcome.residual,
        residual=outcome.residual,
        weight=weight,
        expected=outcome.expected,
    )


def _utility_scale(objective: Objective, quality: _Part, cost: _Part, seconds: _Part, success: _Part) -> Floats:
    """How large a residual of utility may be by model: the terms' sizes, whose signs don't cancel."""
    scale: Floats = np.sqrt(
        (objective.quality_usd * quality.expected) ** 2
        + cost.expected**2
        + (objective.second_usd * seconds.expected) ** 2
        + (objective.failure_usd * (1.0 - success.expected)) ** 2
    )
    return scale


def _squares(fitted: Fitted, delta: Floats) -> Floats:
    """Σ δ²/p over the decisions of each class, by model; δ is the target, or its difference to the logged p."""
    logged = fitted.data.probabilities
    squares: Floats = fitted.drawn @ np.divide(delta**2, logged, out=np.zeros_like(logged), where=logged > 0.0)
    return squares


def _variance(fitted: Fitted, part: _Part, modelled: Floats, squares: Floats) -> float:
    """The variance of one doubly robust term, as expected over all decisions: Var m(x, δ) + E Σ_k δ²/p · E residual².

    `modelled` is m(x, δ), and `squares` are Σ δ²/p as in `_squares`.

    The sample variance misses the rare draws with large weights that have not happened yet, so intervals made from it
    cover too little. Here residuals are pooled over a model in a class instead, and lean on what its mean lets expect:
    a cheap model's cost varies by less than a dear one's.
    """
    data, count = fitted.data, len(modelled)
    residuals = part.residual**2
    scale = (fitted.group_sizes @ part.expected**2) / count + SMALLEST_SCALE
    usual = scale * float(residuals.sum() / scale[data.arm].sum())
    spread = (data.cells(residuals) + SPREAD_WEIGHT * usual) / (fitted.chosen + SPREAD_WEIGHT)
    return float(modelled.var() + (squares * spread).sum() / count)


def _estimate(terms: Floats, effective_size: float, variance: float | None = None) -> Estimate:
    """The mean of terms with Student's interval, from their variance, or from the mean of it and `variance`.

    The larger of the two would cover too much: each is unbiased enough, and wrong by chance.
    """
    mean, n = float(terms.mean()), len(terms)
    own = float(terms.var(ddof=1)) if n > 1 else 0.0
    spread = np.sqrt((own if variance is None else (own + variance) / 2.0) / n)
    half = student_quantile(max(effective_size - 1.0, 1.0), 0.5 + CONFIDENCE / 2.0) * float(spread)
    return Estimate(mean, mean - half, mean + half)


def _effective_size(weight: Floats) -> float:
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0.0 else 0.0


def _refusal(size: float, unseen: float) -> str | None:
    if unseen > LARGEST_UNSEEN:
        return f"not enough evidence: {unseen:.0%} of what the target would choose had no chance in the log"
    if size < SMALLEST_EFFECTIVE_SIZE:
        return f"not enough evidence: as good as {size:.0f} decisions of its own, {SMALLEST_EFFECTIVE_SIZE:.0f} needed"
    return None


def _notes(unseen: float) -> tuple[str, ...]:
    assumed = "scores are taken to be missing at random given the model and the class"
    if unseen <= 0.0:
        return (assumed,)
    return assumed, f"{unseen:.1%} of what the target would choose had no chance in the log: only predicted"
