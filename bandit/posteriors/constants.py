"""Prices and priors of a router's arms, as arrays."""

import math
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
from bandit.price import Price
from bandit.types import Arm, ArmPrior

Floats = NDArray[np.float64]

_FREE = Price(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Constants:
    """Arrays in the arms' order. Prices in dollars per token, zero where `priced` is false.

    `longer` are the steps at which prices change with the prompt's length, ascending: the tokens beyond which each
    arm's step begins (inf: it has none), and its prices, as rows input, cached input, output.

    `times` are the priors of the latency signals first token, per token, total: shape (3, 3, arms), mean, spread and
    weight first. `offset_tokens` is the constant a of the plain answers' ln(seconds / (a + tokens)).
    """

    priced: NDArray[np.bool_]
    all_priced: bool
    input_usd: Floats
    cached_input_usd: Floats
    output_usd: Floats
    longer: tuple[tuple[Floats, Floats], ...]
    quality_mean: Floats
    quality_weight: Floats
    completion_tokens: Floats
    offset_tokens: Floats
    times: Floats

    @property
    def first_step(self) -> float:
        """The length up to which no arm's prices change, in prompt tokens."""
        return float(self.longer[0][0].min()) if self.longer else math.inf

    def usd_at(self, prompt_tokens: Floats) -> Floats:
        """Rows input, cached input, output: each arm's prices if its prompt has that many tokens."""
        usd = np.stack([self.input_usd, self.cached_input_usd, self.output_usd])
        for beyond, stepped in self.longer:
            usd = np.where(prompt_tokens > beyond, stepped, usd)
        return usd


def constants_of(arms: Sequence[Arm]) -> Constants:
    """The arrays of these arms."""
    prices = [arm.price or _FREE for arm in arms]
    priors = [arm.prior for arm in arms]
    priced = [arm.price is not None for arm in arms]
    fresh, cached, output = np.array([(p.input_usd, p.cached_input_usd, p.output_usd) for p in prices]).T
    quality_mean, quality_weight = np.array([quality_prior(prior) for prior in priors]).T
    lengths = [(prior.completion_tokens or DEFAULT_COMPLETION_TOKENS, offset_tokens(prior)) for prior in priors]
    tokens, offset = np.array(lengths).T
    return Constants(
        priced=np.array(priced),
        all_priced=all(priced),
        input_usd=fresh,
        cached_input_usd=cached,
        output_usd=output,
        longer=_steps(prices),
        quality_mean=quality_mean,
        quality_weight=quality_weight,
        completion_tokens=tokens,
        offset_tokens=offset,
        times=np.array([_times(prior) for prior in priors]).T.reshape(3, 3, -1),
    )


def _steps(prices: Sequence[Price]) -> tuple[tuple[Floats, Floats], ...]:
    steps = []
    for step in range(max((len(price.longer) for price in prices), default=0)):
        each = [price.longer[step] if step < len(price.longer) else (math.inf, price) for price in prices]
        beyond = np.array([tokens for tokens, _ in each], dtype=float)
        usd = np.array([(long.input_usd, long.cached_input_usd, long.output_usd) for _, long in each]).T
        steps.append((beyond, usd))
    return tuple(steps)


def _times(prior: ArmPrior) -> tuple[float, ...]:
    """The means of the priors of the three latency signals, then their spreads, then their weights."""
    first, each = prior.first_token or FIRST_TOKEN_PRIOR, prior.per_token or PER_TOKEN_PRIOR
    total = prior.total or TOTAL_PRIOR
    return (
        *(first.mean, each.mean, total.mean),
        *(first.spread, each.spread, total.spread),
        *(first.weight, each.weight, total.weight),
    )
