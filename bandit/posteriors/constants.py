"""What is fixed about a router's arms, as arrays: prices and priors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.priors import (
    DEFAULT_COMPLETION_TOKENS,
    FIRST_TOKEN_PRIOR,
    PER_TOKEN_PRIOR,
    TOTAL_PRIOR,
    offset_tokens,
    quality_prior,
)
from bandit.types import Arm, Price

Floats = NDArray[np.float64]

_FREE = Price(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Constants:
    """Arrays in the arms' order. Prices in dollars per token, zero where `priced` is false.

    `times` are the priors of the latency signals first token, per token, total: shape (3, 3, arms), mean, spread and
    weight first. `offset_tokens` is the constant a of the plain answers' ln(seconds / (a + tokens)).
    """

    priced: NDArray[np.bool_]
    all_priced: bool
    input_usd: Floats
    cached_input_usd: Floats
    output_usd: Floats
    quality_mean: Floats
    quality_weight: Floats
    completion_tokens: Floats
    offset_tokens: Floats
    times: Floats


def constants_of(arms: Sequence[Arm]) -> Constants:
    """The arrays of these arms."""
    figures = np.array([_figures(arm) for arm in arms]).T
    priced = figures[0] > 0.0
    fresh, cached, output, mean, weight, tokens, offset = figures[1:8]
    times = figures[8:].reshape(3, 3, -1)
    return Constants(priced, bool(priced.all()), fresh, cached, output, mean, weight, tokens, offset, times)


def _figures(arm: Arm) -> tuple[float, ...]:
    price, prior = arm.price or _FREE, arm.prior
    first, each = prior.first_token or FIRST_TOKEN_PRIOR, prior.per_token or PER_TOKEN_PRIOR
    total = prior.total or TOTAL_PRIOR
    return (
        float(arm.price is not None),
        price.input_usd,
        price.cached_input_usd,
        price.output_usd,
        *quality_prior(prior),
        prior.completion_tokens or DEFAULT_COMPLETION_TOKENS,
        offset_tokens(prior),
        *(first.mean, each.mean, total.mean),
        *(first.spread, each.spread, total.spread),
        *(first.weight, each.weight, total.weight),
    )
