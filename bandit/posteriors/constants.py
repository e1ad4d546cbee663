"""Prices and priors of a router's arms, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.latency import TimePrior, time_prior
from bandit.posteriors.moments import Moments, moments
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
from bandit.types import Arm, ArmPrior, LogNormalPrior

Floats = NDArray[np.float64]
Rates: TypeAlias = tuple[float, ...]

_FREE = Price(0.0, 0.0, 0.0)

CACHED, OUTPUT, REQUEST = 5, 6, 7
"""Places in `Constants.usd` after those of the prompt's parts, which are in the order of `PromptParts`."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Prices and priors in the arms' order.

    `usd` are each arm's prices in dollars per token, and per request in the last place; zero where `priced` is false.
    `longer` are the steps at which they change with the prompt's length, ascending: the tokens beyond which a step
    begins, and its prices; empty if no arm has any.

    `quality` and `quality_weight` are the prior of the arm effects, `unscored` the quality in any class while there is
    no score at all, with its mean and variance. `times` are the priors of the latency signals first token, per token,
    total, each by arm, and `own_times` says which are own, shape (3, arms). `offset_tokens` is the constant a of the
    plain answers' ln(seconds / (a + tokens)). Priors are own if other routers saw the model itself. `joined_late`: the
    router already had traffic when the arm joined.
    """

    priced: NDArray[np.bool_]
    all_priced: bool
    usd: Sequence[Rates]
    longer: Sequence[Sequence[tuple[int, Rates]]]
    quality: Floats
    quality_weight: Floats
    unscored: Quality
    unscored_moments: Moments
    completion_tokens: Floats
    offset_tokens: Sequence[float]
    times: Sequence[Sequence[TimePrior]]
    own_times: NDArray[np.bool_]
    own_completion_tokens: NDArray[np.bool_]
    joined_late: NDArray[np.bool_]
    any_joined_late: bool

    def usd_at(self, prompt_tokens: Sequence[float]) -> Sequence[Rates]:
        """What `usd` is if each arm's prompt has that many tokens."""
        if not self.longer:
            return self.usd
        at = []
        for tokens, usd, steps in zip(prompt_tokens, self.usd, self.longer, strict=True):
            reached = [stepped for beyond, stepped in steps if tokens > beyond]
            at.append(reached[-1] if reached else usd)
        return at


def constants_of(arms: Sequence[Arm]) -> Constants:
    """The arrays of these arms."""
    prices = [arm.price or _FREE for arm in arms]
    priors = [arm.prior for arm in arms]
    priced = [arm.price is not None for arm in arms]
    lengths = [(prior.completion_tokens or DEFAULT_COMPLETION_TOKENS, offset_tokens(prior)) for prior in priors]
    tokens, offset = np.array(lengths).T
    times = list(zip(*[_times(prior) for prior in priors], strict=True))
    quality, quality_weight = np.full(len(arms), DEFAULT_QUALITY), np.full(len(arms), DEFAULT_QUALITY_WEIGHT)
    unscored = unscored_quality(quality, quality_weight)
    return Constants(
        priced=np.array(priced),
        all_priced=all(priced),
        usd=[_usd(price) for price in prices],
        longer=[[(tokens, _usd(longer)) for tokens, longer in price.longer] for price in prices]
        if any(price.longer for price in prices)
        else (),
        quality=quality,
        quality_weight=quality_weight,
        unscored=unscored,
        unscored_moments=moments(*unscored.of(0)),
        completion_tokens=tokens,
        offset_tokens=offset.tolist(),
        times=times,
        own_times=np.array([[prior.own for prior in of_signal] for of_signal in times]),
        own_completion_tokens=np.array([prior.completion_tokens is not None for prior in priors]),
        joined_late=np.array([prior.joined_late for prior in priors]),
        any_joined_late=any(prior.joined_late for prior in priors),
    )


def _usd(price: Price) -> Rates:
    fresh = price.input_usd
    images = fresh if price.image_input_usd is None else price.image_input_usd
    audio = fresh if price.audio_input_usd is None else price.audio_input_usd
    return fresh, fresh, images, audio, fresh, price.cached_input_usd, price.output_usd, price.request_usd


def _times(prior: ArmPrior) -> tuple[TimePrior, TimePrior, TimePrior]:
    """The priors of the three latency signals."""
    return (
        _time(prior.first_token, FIRST_TOKEN_PRIOR, prior),
        _time(prior.per_token, PER_TOKEN_PRIOR, prior),
        _time(prior.total, TOTAL_PRIOR, prior),
    )


def _time(learned: LogNormalPrior | None, default: LogNormalPrior, prior: ArmPrior) -> TimePrior:
    return time_prior(learned or default, own=learned is not None and not prior.of_price_class)
