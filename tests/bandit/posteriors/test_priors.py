"""Priors: latency and length come from the same model elsewhere."""

import math

import pytest

from bandit.posteriors.priors import (
    are_of_one_class,
    completion_tokens_cap,
    model_prior,
    price_class_prior,
    unit_score,
)
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import ArmPrior, LogNormalPrior


def elsewhere(signal: Signal, weight: float, total: float, squares: float = 0.0) -> dict[StatisticKey, Sums]:
    task = "code" if signal is Signal.COMPLETION_TOKENS else ""
    return {StatisticKey("rtr_other", "p/a", task, signal): Sums(0.0, 1e9, weight, total, squares)}


def test_what_other_routers_saw_of_a_model_is_its_prior_but_never_its_quality() -> None:
    prior = model_prior(
        elsewhere(Signal.FIRST_TOKEN, 100.0, 100.0 * math.log(0.3), 100.0 * math.log(0.3) ** 2)
        | elsewhere(Signal.COMPLETION_TOKENS, 50.0, 50.0 * 220.0)
        | elsewhere(Signal.QUALITY, 500.0, 10.0)
    )
    assert prior.first_token is not None
    assert prior.first_token.mean == pytest.approx(math.log(0.3))
    assert prior.first_token.weight == 10.0
    assert prior.completion_tokens == pytest.approx(220.0)
    assert completion_tokens_cap(prior) == pytest.approx(880.0)


def test_broken_rows_of_other_routers_are_no_prior() -> None:
    assert model_prior(elsewhere(Signal.FIRST_TOKEN, math.nan, 1.0)) == ArmPrior()


@pytest.mark.parametrize("score", [-0.1, 100.1, math.nan])
def test_a_score_outside_its_range_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="score"):
        unit_score(score, 0.0, 100.0)


def prior_of(seconds: float, weight: float = 10.0) -> ArmPrior:
    return ArmPrior(first_token=LogNormalPrior(math.log(seconds), 0.5, weight), completion_tokens=500.0)


def test_a_model_that_was_never_seen_gets_the_latency_of_its_price_class_with_less_weight() -> None:
    prior = price_class_prior([prior_of(0.5), prior_of(2.0), ArmPrior()])
    assert prior.of_price_class
    assert prior.first_token is not None
    assert prior.first_token.mean == pytest.approx(0.0)
    assert prior.first_token.weight == 4.0
    assert prior.first_token.spread >= 1.0
    assert (prior.per_token, prior.total, prior.completion_tokens) == (None, None, None)


def test_a_price_class_counts_each_model_by_what_is_known_of_it() -> None:
    prior = price_class_prior([prior_of(1.0, weight=0.9), prior_of(math.e, weight=0.1)])
    assert prior.first_token is not None
    assert (prior.first_token.mean, prior.first_token.weight) == pytest.approx((0.1, 1.0))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1.0, 2.0, True), (2.0, 1.0, True), (1.0, 2.1, False), (0.0, 0.0, False), (0.0, 1.0, False)],
)
def test_models_are_of_one_price_class_if_their_output_prices_are_at_most_a_factor_of_two_apart(
    one: float, other: float, same: bool
) -> None:
    assert are_of_one_class(Price(5.0, one, 1.0), Price(0.1, other, 0.1)) is same
