"""What a call costs: the usual call in few steps, with the same result."""

from hypothesis import given
from hypothesis import strategies as st

from bandit.price import Price, Tokens

rates = st.floats(0.0, 1e-3)
counts = st.integers(0, 10**6)


@given(st.builds(Price, rates, rates, rates, request_usd=rates), counts, counts, counts)
def test_plain_tokens_cost_to_the_last_bit_what_they_cost_beside_others_that_are_free(
    price: Price, prompt: int, completion: int, cached: int
) -> None:
    plain = Tokens(prompt, completion, cached)
    with_details = Tokens(prompt, completion, cached, web_searches=1)  # which this price asks nothing for
    assert price.bill_usd(plain) == price.bill_usd(with_details)
