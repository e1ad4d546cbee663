"""How amounts are written."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.dollars import dollars


@given(st.floats(0.0, 1e12), st.integers(1, 6))
def test_no_amount_has_an_exponent_and_each_is_told_to_its_digits(usd: float, digits: int) -> None:
    told = dollars(usd, digits)
    assert "e" not in told.lower()
    assert abs(float(told[1:]) - usd) <= usd * 10.0 ** (1 - digits)
