"""What a call is booked at: the provider's figures as far as they can be right, else an estimate."""

import pytest

from bandit.price import Price, Tokens
from gateway.providers.upstream.bill import Bill, bill_for
from gateway.providers.upstream.provider import Usage

PRICE = Price(1.0, 10.0, 0.1, tiers=(("flex", Price(0.5, 5.0, 0.05)),))


def bill(
    usage: Usage | None, text_bytes: int = 40, uncounted_bytes: int = 0, context_window: int | None = 1_000
) -> Bill:
    return bill_for(
        PRICE,
        usage,
        context_window=context_window,
        estimated_prompt_tokens=7,
        text_bytes=text_bytes,
        uncounted_bytes=uncounted_bytes,
    )


def test_counted_tokens_cost_their_price_and_that_of_the_tier_that_served() -> None:
    counted = Tokens(100, 10, cached_tokens=50)
    assert bill(Usage(counted)) == Bill(counted, 50 + 5 + 100)
    assert bill(Usage(counted, tier="flex")).cost_usd == pytest.approx((50 + 5 + 100) / 2)
    assert bill(Usage(counted, tier="default")).cost_usd == 155
    assert bill(Usage(counted, factor=1.1)).cost_usd == pytest.approx(170.5)


def test_a_stated_cost_wins_with_or_without_counts() -> None:
    assert bill(Usage(Tokens(100, 10), cost_usd=0.5)) == Bill(Tokens(100, 10), 0.5, stated=True)
    assert bill(Usage(None, cost_usd=0.5)) == Bill(Tokens(7, 10), 0.5, estimated=True, stated=True)
    assert bill(Usage(Tokens(100, 10), cost_usd=0.0)).cost_usd == 0.0


@pytest.mark.parametrize("usage", [None, Usage(None), Usage(None, doubt="prompt_tokens is -1")])
def test_without_a_count_all_is_estimated(usage: Usage | None) -> None:
    estimated = bill(usage)
    assert (estimated.tokens, estimated.cost_usd, estimated.estimated) == (Tokens(7, 10), 107.0, True)


def test_what_came_after_the_last_count_is_estimated_on_top_of_it() -> None:
    began = bill(Usage(Tokens(5_000, 1, cached_tokens=4_000)), text_bytes=41, uncounted_bytes=41)
    assert began.tokens == Tokens(5_000, 12, cached_tokens=4_000)
    assert began.estimated


def test_more_than_ten_contexts_is_not_believed_and_the_doubt_says_why() -> None:
    assert not bill(Usage(Tokens(9_000, 1_000))).estimated
    beyond = bill(Usage(Tokens(9_000, 1_001)))
    assert beyond.tokens == Tokens(7, 10)
    assert beyond.doubt == "9,000 and 1,001 tokens, of a context of 1,000"


def test_a_model_of_unknown_context_may_use_a_hundred_million_tokens() -> None:
    assert not bill(Usage(Tokens(100_000_000, 0)), context_window=None).estimated
    assert bill(Usage(Tokens(100_000_001, 0)), context_window=None).estimated
