"""Latency: a Normal-inverse-gamma posterior of ln(seconds), and the expected seconds that follow from it."""

import math
from collections.abc import Sequence

from bandit.posteriors.moments import Moments
from bandit.posteriors.pooling import DEFAULT_WEIGHT
from bandit.quick import quick_dataclass
from bandit.types import LogNormalPrior

CLIP_SPREADS = 3.0
"""Observations are clipped to this many spreads of the prior: one hang must not rewrite the ranking."""
LARGEST_VARIANCE = 1.0
SMALLEST_VARIANCE = 0.01
LARGEST_RELATIVE_VARIANCE = 4.0


def clipped(log_seconds: float, prior: LogNormalPrior) -> float:
    """ln(seconds) clipped to three spreads of the prior.

    >>> import math
    >>> hang = clipped(math.log(3_600.0), LogNormalPrior(mean=0.0, spread=1.5, weight=1.0))
    >>> round(math.exp(hang))  # an hour counts as 90 seconds
    90
    """
    reach = CLIP_SPREADS * prior.spread
    return min(max(log_seconds, prior.mean - reach), prior.mean + reach)


@quick_dataclass(frozen=True, slots=True)
class TimePrior:
    """An arm's prior of ln(time).

    Its observations count as any other: `weight` of them, Σ y and Σ y². If it is `own` it was learned of the model
    itself. `lowest` and `highest` bound the posterior's location.
    """

    mean: float
    second: float
    weight: float
    own: bool
    lowest: float
    highest: float


def time_prior(prior: LogNormalPrior, *, own: bool) -> TimePrior:
    """The prior with this mean and spread of ln(time), worth `weight` observations."""
    reach = CLIP_SPREADS * prior.spread  # of the frozen priors, as observations were clipped
    second = prior.mean * prior.mean + prior.spread * prior.spread
    return TimePrior(prior.mean, second, prior.weight, own, prior.mean - reach, prior.mean + reach)


def log_time(sums: Sequence[Sequence[float]], priors: Sequence[TimePrior]) -> Moments:
    """Expected times per arm, and the variance of these over their squares, from weight, Σ y, Σ y² of y = ln time.

    m and s² are the posterior's location and expected variance, E[time] = e^(m + s²/2), the mean of a log-normal, and
    its variance by the delta method: s²/n for m, s⁴/(2n) for s²/2. An arm whose prior is not its model's own is
    expected to be like the router's other arms, as far as these are known. In plain floats, for one signal: that is all
    that a request asks of, and few arms.
    """
    posteriors = [
        _posterior(n + prior.weight, y + prior.weight * prior.mean, square + prior.weight * prior.second)
        for n, y, square, prior in zip(*sums, priors, strict=True)
    ]
    if not all(prior.own for prior in priors):
        posteriors = _pooled(sums, posteriors, priors)
    means, relative = [], []
    for (n, m, variance), prior in zip(posteriors, priors, strict=True):
        half = 0.5 * variance
        means.append(math.exp(min(max(m, prior.lowest), prior.highest) + half))
        relative.append(min(variance * (1.0 + half) / n, LARGEST_RELATIVE_VARIANCE))
    return means, relative


def _posterior(n: float, y: float, square: float) -> tuple[float, float, float]:
    """Size n, location m and expected variance s² of the Normal-inverse-gamma posterior."""
    m = y / n
    # s² is bounded: the mean of e^y under the log-Student-t of an unknown variance is infinite.
    return n, m, min(max(square / n - m * m, SMALLEST_VARIANCE), LARGEST_VARIANCE)


def _pooled(
    sums: Sequence[Sequence[float]],
    posteriors: Sequence[tuple[float, float, float]],
    priors: Sequence[TimePrior],
) -> list[tuple[float, float, float]]:
    """The posteriors with priors worth one observation, by empirical Bayes: like the other arms, each by how well it is
    known, as `bandit.posteriors.pooling` says.
    """
    seen = [n + prior.weight if prior.own else n for n, prior in zip(sums[0], priors, strict=True)]
    known = [n / (n + 1.0) for n in seen]
    firsts = [n * m for n, (_, m, _) in zip(known, posteriors, strict=True)]
    seconds = [n * (m * m + variance) for n, (_, m, variance) in zip(known, posteriors, strict=True)]
    all_known, all_firsts, all_seconds = sum(known), sum(firsts), sum(seconds)
    pooled: list[tuple[float, float, float]] = []
    for arm, prior in enumerate(priors):
        if prior.own:
            pooled.append(posteriors[arm])
            continue
        default = DEFAULT_WEIGHT * prior.weight
        size = default + (all_known - known[arm])
        first = (default * prior.mean + (all_firsts - firsts[arm])) / size
        second = (default * prior.second + (all_seconds - seconds[arm])) / size
        second = max(second, first * first + SMALLEST_VARIANCE)
        n, y, square = (field[arm] for field in sums)
        pooled.append(_posterior(n + 1.0, y + first, square + second))
    return pooled
