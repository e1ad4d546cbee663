"""One side of a comparison: a policy's terms by decision, and their moments, which every estimate follows from.

Utility is linear in what is seen, so its mean and variance follow from the means and covariances of the outcomes:
nothing here depends on what an answer is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bandit.ope.modelled import Modelled

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Means of the outcomes' terms, and their covariances, the means of products."""

    mean: Floats  # (outcomes,)
    covariance: Floats  # (outcomes, outcomes)


@dataclass(frozen=True, slots=True, eq=False)
class Robust:
    """Doubly robust terms, shape (outcomes, decisions), of one policy, or of one less another.

    `modelled` is m under it, and `terms` that with the weighted residuals. `squares` are Σ δ²/p over the decisions of
    each class, by model; δ is the policy's probability, or the difference of both.
    """

    modelled: Floats
    terms: Floats
    modelled_moments: Moments
    moments: Moments
    squares: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A policy: its probabilities by choice and model, the moments of its terms, and how much they weigh.

    `sizes` are the effective sizes by outcome, and `unseen` is the share of what it would choose that had no chance.
    """

    shares: Floats
    ips: Moments
    snips: Moments
    robust: Robust
    sizes: Floats
    unseen: float


def side_of(log: Modelled, shares: Floats, pause: Callable[[], None] = lambda: None) -> Side:
    """A policy with these probabilities. `pause` is called about each millisecond."""
    data = log.data
    count = len(data.arm)
    ratio = shares.take(log.places) / log.chances
    weight = log.seen * ratio
    total, squares = weight.sum(axis=1), np.einsum("oi,oi->o", weight, weight)
    ips = weight * log.value
    # A ratio of means has no terms of its own: its mean plus each decision's influence on it (the delta method).
    means = _shared(ips.sum(axis=1), total)
    influence = log.value - means[:, None]
    influence *= weight
    share = _shared(np.full(len(total), float(count)), total)
    pause()
    under = _modelled(log, shares)
    terms = log.residual * ratio
    terms += under
    robust = _robust(log, under, terms, shares)
    pause()
    return Side(
        shares=shares,
        ips=_moments(ips),
        snips=Moments(means, _products(influence) / count * np.outer(share, share)),
        robust=robust,
        sizes=_shared(total**2, squares),
        unseen=float(log.drawn.sum(axis=0) @ np.where(data.probabilities <= 0.0, shares, 0.0).sum(axis=1)) / count,
    )


def _moments(terms: Floats) -> Moments:
    """The moments of terms of shape (outcomes, decisions)."""
    mean = terms.mean(axis=1)
    centred = terms - mean[:, None]
    return Moments(mean, _products(centred) / terms.shape[1])


def _products(terms: Floats) -> Floats:
    # Row by row: `terms @ terms.T` is another function of BLAS, which takes twice as long for so few rows.
    return np.array([terms @ row for row in terms])


def _shared(above: Floats, below: Floats) -> Floats:
    """Quotients; 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)


def less(log: Modelled, one: Side, other: Side) -> Robust:
    """One side's doubly robust terms less the other's: paired by decision."""
    mine, its = one.robust, other.robust
    return _robust(log, mine.modelled - its.modelled, mine.terms - its.terms, one.shares - other.shares)


def _modelled(log: Modelled, shares: Floats) -> Floats:
    """What m lets expect of each decision under a policy."""
    under = np.empty_like(log.residual)
    for group, (start, end) in enumerate(pairwise(log.bounds)):
        under[:, start:end] = log.expected[:, group] @ shares.take(log.data.choice[start:end], axis=0).T
    return under


def _robust(log: Modelled, under: Floats, terms: Floats, delta: Floats) -> Robust:
    logged = log.data.probabilities
    squares = log.drawn @ np.divide(delta**2, logged, out=np.zeros_like(logged), where=logged > 0.0)
    return Robust(under, terms, _moments(under), _moments(terms), squares)
