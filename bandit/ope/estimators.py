"""Off-policy evaluation: estimates what another policy would have cost and scored from the log alone, with intervals.

The unit is the first draw of a request. Re-draws after a failure and draws of sticky conversations were not randomised
and are left out. Scores are assumed to be missing at random given the model and the class: whether an answer is scored
does not depend on how good it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandit.ope.estimates import CONFIDENCE, SMALLEST_EFFECTIVE_SIZE, Estimate, Figure
from bandit.ope.fitted import Fitted
from bandit.ope.logged import check_distributions
from bandit.ope.modelled import OUTCOMES, Modelled
from bandit.ope.side import Moments, Robust, Side, less, side_of
from bandit.ope.student import student_quantile
from bandit.types import Objective
from bandit.utility import utility_usd

Floats = NDArray[np.float64]

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
class _Sum:
    """A figure as a sum of outcomes times `slopes`, plus a constant; `spread` is that of its residuals."""

    slopes: Floats
    constant: float
    spread: Floats  # (classes, models)


def compare(fitted: Fitted, target: Floats, objective: Objective, pause: Callable[[], None] = lambda: None) -> Compared:
    """Estimate a target, what was logged, and the difference; see `evaluate`. Raises ValueError.

    `pause` is called about each millisecond.
    """
    _check(fitted, target)
    if fitted.known is None:
        nothing = _nothing(fitted.left_out)
        return Compared(nothing, nothing, {})
    log, logged = fitted.known
    sums = _sums(log, objective)
    pause()
    side = side_of(log, target, pause)
    told, beside = (_evaluation(log, sums, each, fitted.left_out) for each in (side, logged))
    pause()
    both = {figure: sums[figure] for figure in told.doubly_robust if figure in beside.doubly_robust}
    apart = {figure: replace(each, constant=0.0) for figure, each in both.items()}
    return Compared(told, beside, _doubly_robust(apart, less(log, side, logged), _quantiles(told.effective_size), log))


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
    if fitted.known is None:
        return _nothing(fitted.left_out)
    log, logged = fitted.known
    side = logged if target is logged.shares else side_of(log, target)
    return _evaluation(log, _sums(log, objective), side, fitted.left_out)


def _check(fitted: Fitted, target: Floats) -> None:
    shape = fitted.data.probabilities.shape
    if target.shape != shape:
        raise ValueError(f"target: needs probabilities of shape {shape}, not {target.shape}")
    check_distributions(target)


def _sums(log: Modelled, objective: Objective) -> dict[Figure, _Sum]:
    """Every figure: each outcome, and utility, of which failed is 1 - success."""
    unit = dict(zip(OUTCOMES, np.eye(len(OUTCOMES)), strict=True))
    slopes = utility_usd(
        objective,
        quality=unit[Figure.QUALITY],
        failed=-unit[Figure.SUCCESS],
        cost_usd=unit[Figure.COST],
        seconds=unit[Figure.SECONDS],
    )
    constant = utility_usd(objective, quality=0.0, failed=1.0, cost_usd=0.0, seconds=0.0)
    squares = np.maximum(np.einsum("a,abtm,b->tm", slopes, log.products, slopes), 0.0)
    # How large a residual of utility may be by model: the terms' sizes, whose signs don't cancel.
    scale = slopes**2 @ np.concatenate([log.scale[:-1], log.failing[None]])
    sums = {
        figure: _Sum(unit[figure], 0.0, log.spread(log.products[row, row], log.scale[row]))
        for row, figure in enumerate(OUTCOMES)
    }
    return {**sums, Figure.UTILITY: _Sum(slopes, constant, log.spread(squares, scale))}


def _evaluation(log: Modelled, sums: Mapping[Figure, _Sum], side: Side, left_out: Mapping[str, int]) -> Evaluation:
    sizes = dict(zip(OUTCOMES, side.sizes.tolist(), strict=True))
    sizes[Figure.UTILITY] = sizes[Figure.QUALITY if sums[Figure.UTILITY].slopes[0] > 0.0 else Figure.COST]
    refused = {figure: why for figure, size in sizes.items() if (why := _refusal(size, side.unseen))}
    told = {figure: each for figure, each in sums.items() if figure not in refused}
    quantiles, count = _quantiles(sizes), len(log.data.arm)
    return Evaluation(
        decisions=count,
        ips={figure: _estimate(each, side.ips, quantiles[figure], count) for figure, each in told.items()},
        snips={figure: _estimate(each, side.snips, quantiles[figure], count) for figure, each in told.items()},
        doubly_robust=_doubly_robust(told, side.robust, quantiles, log),
        effective_size=sizes,
        refused=refused,
        left_out=left_out,
        notes=_notes(side.unseen),
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


def _doubly_robust(
    sums: Mapping[Figure, _Sum], robust: Robust, quantiles: Mapping[Figure, float], log: Modelled
) -> dict[Figure, Estimate]:
    """Estimates whose variance is the mean of the terms' own and of what is expected over all decisions.

    The latter is Var m(x, δ) + E Σ_k δ²/p · E residual². The sample variance misses the rare draws with large weights
    that have not happened yet, so intervals made from it alone cover too little. Residuals are pooled over a model in a
    class instead, and lean on what its mean lets expect: a cheap model's cost varies by less than a dear one's.
    The larger of the two would cover too much: each is unbiased enough, and wrong by chance.
    """
    count = len(log.data.arm)
    return {
        figure: _estimate(
            each,
            robust.moments,
            quantiles[figure],
            count,
            _variance(each, robust.modelled_moments) + float((robust.squares * each.spread).sum()) / count,
        )
        for figure, each in sums.items()
    }


def _estimate(
    figure: _Sum, moments: Moments, quantile: float, count: int, expected_variance: float | None = None
) -> Estimate:
    """The mean of terms with Student's interval, from their variance, or the mean of it and the expected one."""
    mean = float(figure.slopes @ moments.mean) + figure.constant
    own = _variance(figure, moments) * count / max(count - 1, 1)
    variance = own if expected_variance is None else (own + expected_variance) / 2.0
    half = quantile * (variance / count) ** 0.5
    return Estimate(mean, mean - half, mean + half)


def _variance(figure: _Sum, moments: Moments) -> float:
    return max(float(figure.slopes @ moments.covariance @ figure.slopes), 0.0)


def _quantiles(sizes: Mapping[Figure, float]) -> dict[Figure, float]:
    """Student's, with the effective size for the degrees of freedom; most figures have the same."""
    of = {size: student_quantile(max(size - 1.0, 1.0), 0.5 + CONFIDENCE / 2.0) for size in set(sizes.values())}
    return {figure: of[size] for figure, size in sizes.items()}


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
