"""A bucket grants its limit a minute, whatever is taken when."""

from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Epoch
from gateway.limits.bucket import Bucket

START = 1_760_000_000.0


@given(
    limit=st.integers(1, 1_000),
    share=st.sampled_from([1.0, 0.5, 0.25]),
    waits=st.lists(st.floats(-5.0, 30.0), min_size=1, max_size=60),
)
def test_no_more_is_granted_than_it_held_and_was_refilled(limit: int, share: float, waits: list[float]) -> None:
    at = START
    bucket, granted, passed = Bucket(limit, Epoch(at)), 0, 0.0
    for wait in waits:
        at += wait
        passed += max(wait, 0.0)
        while bucket.left(Epoch(at), share) >= 1.0:
            bucket.take(1.0)
            granted += 1
    assert granted <= limit * share * (1.0 + passed / 60.0) + 1e-6


def test_a_debt_is_paid_back_before_anything_is_granted() -> None:
    bucket = Bucket(60, Epoch(START))
    bucket.take(90.0)
    assert bucket.left(Epoch(START)) == -30.0
    assert bucket.seconds_until(1.0, Epoch(START)) == 31.0
    assert bucket.left(Epoch(START + 31.0)) == 1.0
    bucket.take(1e9)
    assert bucket.left(Epoch(START + 31.0)) == -600.0, "a debt has a bound"


def test_what_was_used_in_the_past_has_been_refilled_since() -> None:
    bucket = Bucket(60, Epoch(START))
    bucket.take_past(60.0, 45.0)
    assert bucket.left(Epoch(START)) == 45.0
    bucket.take_past(60.0, 600.0)
    assert bucket.left(Epoch(START)) == 45.0


def test_what_was_taken_stays_taken_when_the_limit_changes() -> None:
    bucket = Bucket(60, Epoch(START))
    bucket.take(50.0)
    bucket.change_limit(100)
    assert bucket.left(Epoch(START)) == 50.0
    bucket.change_limit(10)
    assert bucket.left(Epoch(START)) == -40.0
