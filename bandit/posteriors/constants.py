"""Prices and priors of a router's arms, as arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.latency import LogTime, TimePriors, log_time, time_priors
from bandit.posteriors.priors import (
    DEFAULT_COMPLETION_TOKENS,
    DEFAULT_QUALITY,
    DEFAULT_QUALITY_WEIGHT,
    FIRST_TOKEN_PRIOR,
    PER_TOKEN_PRIOR,
    TOTAL_PRIOR,
    offset_tokens,
)
from bandit.posteriors.quality import Quality, unscored_quality
from bandit.price import Price
from bandit.types import Arm, ArmPrior

Floats = NDArray[np.float64]

_FREE = Price(0.0, 0.0, 0.0)

CACHED, OUTPUT, REQUEST = 5, 6, 7
"""Rows of `Constants.usd` after those of the prompt's parts, which are in the order of `PromptParts`."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Arrays in the arms' order.

    `usd` are prices in dollars per token, and per request in its last row; zero where `priced` is false. `longer` are
    the steps at which prices change with the prompt's length, ascending: the tokens beyond which each arm's step begins
    (inf: it has none), and its prices in the rows of `usd`.

    `quality` and `quality_weight` are the prior of the arm effects, `unscored` the quality in any class while there is
    no score at all. `times` are the priors of the latency signals first token, per token, total: shape (3, arms);
    `untried_times` are the expectations without any observation. `offset_tokens` is the constant a of the plain
    answers' ln(seconds / (a + tokens)). Priors are own if other routers saw the model itself. `joined_late`: the router
    already had traffic when the arm joined.
    """

    priced: NDArray[np.bool_]
    all_priced: bool
    usd: Floats
    longer: tuple[tuple[Floats, Floats], ...]
    quality: Floats
    quality_weight: Floats
    unscored: Quality
    completion_tokens: Floats
    offset_tokens: Floats
    times: TimePriors
    untried_times: LogTime
    own_completion_tokens: NDArray[np.bool_]
    joined_late: NDArray[np.bool_]
    any_joined_late: bool

    def usd_at(self, prompt_tokens: Floats) -> Floats:
        """The rows of `usd` if each arm's prompt has that many tokens."""
        usd = self.usd
        for beyond, stepped in self.longer:
            usd = np.where(prompt_tokens > beyond, stepped, usd)
        return usd


def constants_of(arms: Sequence[Arm]) -> Constants:
    """The arrays of these arms."""
    prices = [arm.price or _FREE for arm in arms]
    priors = [arm.prior for arm in arms]
    priced = [arm.price is not None for arm in arms]
    lengths = [(prior.completion_tokens or DEFAULT_COMPLETION_TOKENS, offset_tokens(prior)) for prior in priors]
    tokens, offset = np.array(lengths).T
    mean, spread, weight = np.array([_times(prior) for prior in priors]).T.reshape(3, 3, -1)
    times = time_priors(mean, spread, weight, np.array([_own_times(prior) for prior in priors]).T)
    quality, quality_weight = np.full(len(arms), DEFAULT_QUALITY), np.full(len(arms), DEFAULT_QUALITY_WEIGHT)
    return Constants(
        priced=np.array(priced),
        all_priced=all(priced),
        usd=np.array([_usd(price) for price in prices]).T,
        longer=_steps(prices),
        quality=quality,
        quality_weight=quality_weight,
        unscored=unscored_quality(quality, quality_weight),
        completion_tokens=tokens,
        offset_tokens=offset,
        times=times,
        untried_times=log_time(np.zeros_like(times.sums), times),
        own_completion_tokens=np.array([prior.completion_tokens is not None for prior in priors]),
        joined_late=np.array([prior.joined_late for prior in priors]),
        any_joined_late=any(prior.joined_late for prior in priors),
    )


def _usd(price: Price) -> tuple[float, ...]:
    fresh = price.input_usd
    images = fresh if price.image_input_usd is None else price.image_input_usd
    audio = fresh if price.audio_input_usd is None else price.audio_input_usd
    return fresh, fresh, images, audio, fresh, price.cached_input_usd, price.output_usd, price.request_usd


def _steps(prices: Sequence[Price]) -> tuple[tuple[Floats, Floats], ...]:
    steps = []
    for step in range(max((len(price.longer) for price in prices), default=0)):
        each = [price.longer[step] if step < len(price.longer) else (math.inf, price) for price in prices]
        beyond = np.array([tokens for tokens, _ in each], dtype=float)
        steps.append((beyond, np.array([_usd(long) for _, long in each]).T))
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


def _own_times(prior: ArmPrior) -> tuple[bool, ...]:
    return tuple(
        time is not None and not prior.of_price_class for time in (prior.first_token, prior.per_token, prior.total)
    )
