"""Circuit breakers: laws first, for any course of events."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.routing.cooldowns import (
    BLAMES,
    BREAKER_FAILURES,
    FIRST_PARKED_SECONDS,
    FIRST_SECONDS,
    LAST_RESORT_SECONDS,
    LONGEST_PARKED_SECONDS,
    LONGEST_SECONDS,
    PROBE_SECONDS,
    Cooldowns,
)

LIMITED = ProviderError(Verdict.RATE_LIMITED, "slow down", status=429)
FAILED = ProviderError(Verdict.FAILED, "HTTP 500: oops", status=500)
WRONG_KEY = ProviderError(Verdict.PARKED, "check the provider's api_key", status=401)


def limited(seconds: float | None) -> ProviderError:
    return ProviderError(Verdict.RATE_LIMITED, "slow down", status=429, retry_after_seconds=seconds)


ERRORS = st.one_of(
    st.sampled_from([FAILED, WRONG_KEY, ProviderError(Verdict.TIMEOUT, "late"), ProviderError(Verdict.REFUSED, "you")]),
    st.builds(limited, st.none() | st.floats(0, 100)),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["failed", "succeeded", "begun", "released", "claimed", "blamed"]),
        ERRORS,
        st.floats(0, 60),
    ),
    max_size=30,
)


def play(events: list[tuple[str, str, ProviderError, float]]) -> tuple[Cooldowns, float]:
    cooldowns, now = Cooldowns(), 0.0
    for model_id, what, error, seconds in events:
        now += seconds
        if what == "failed":
            cooldowns.failed(model_id, error, now, str(now).encode())
        elif what == "succeeded":
            cooldowns.succeeded(model_id, now)
        elif what == "begun":
            cooldowns.begun(model_id, now)
        elif what == "claimed":
            cooldowns.claim_last_resort(["a", "b"], now)
        elif what == "blamed":
            cooldowns.blamed(model_id, str(now).encode(), now)
        else:
            cooldowns.released(model_id)
    return cooldowns, now


@given(EVENTS)
def test_a_reason_is_given_exactly_for_models_that_are_not_available(events: list[Any]) -> None:
    cooldowns, now = play(events)
    for model_id in ("a", "b", "never seen"):
        assert (cooldowns.reason(model_id, now) is None) == cooldowns.available(model_id, now)


@given(EVENTS)
def test_soonest_is_the_true_time_when_one_may_be_asked(events: list[Any]) -> None:
    cooldowns, now = play(events)
    wait = cooldowns.soonest(["a", "b"], now)
    assert wait is not None

    def may_be_asked(at: float) -> bool:
        available = any(cooldowns.available(model_id, at) for model_id in "ab")
        return available or cooldowns.claim_last_resort(["a", "b"], at) is not None

    if wait > 1e-3:
        assert not may_be_asked(now + wait - 1e-3)
    assert may_be_asked(now + wait + 1e-6)


@given(EVENTS)
def test_no_models_are_left_unasked_for_longer_than_a_probe_but_for_what_a_provider_states(events: list[Any]) -> None:
    """Memory may order models; only a stated wait or a rate limit may leave a request without one."""
    cooldowns, now = play(events)
    for model_id in ("a", "b"):
        cooldowns.failed(model_id, WRONG_KEY, now, b"x")
    wait = cooldowns.soonest(["a", "b"], now)
    assert wait is not None
    assert wait <= max(LAST_RESORT_SECONDS, PROBE_SECONDS)


@given(EVENTS, st.floats(0, 100))
def test_retry_after_is_honoured_whatever_happened_before(events: list[Any], seconds: float) -> None:
    cooldowns, now = play(events)
    cooldowns.failed("a", limited(seconds), now, b"x")
    if seconds > 1e-6:
        assert not cooldowns.available("a", now + seconds * 0.999)


@given(EVENTS)
def test_every_rest_ends(events: list[Any]) -> None:
    cooldowns, now = play(events)
    later = now + max(LONGEST_PARKED_SECONDS, LONGEST_SECONDS, PROBE_SECONDS, 100) + 1
    assert all(cooldowns.available(model_id, later) for model_id in "ab")


@given(EVENTS)
def test_a_success_after_the_rest_clears_everything(events: list[Any]) -> None:
    cooldowns, now = play(events)
    later = now + 10_000
    cooldowns.succeeded("a", later)
    assert cooldowns.available("a", later)
    assert "a" not in cooldowns.parked()
    cooldowns.failed("a", FAILED, later, b"x")
    assert cooldowns.available("a", later)


@given(st.lists(st.tuples(st.sampled_from("ab"), ERRORS), max_size=10))
def test_models_do_not_disturb_one_another(events: list[tuple[str, ProviderError]]) -> None:
    cooldowns = Cooldowns()
    for _, error in events:
        cooldowns.failed("a", error, 0.0, b"x")
    assert cooldowns.available("b", 0.0)
    assert cooldowns.soonest(["a", "b"], 0.0) == 0.0


def test_rests_double_with_each_failure_after_a_rest_up_to_a_longest() -> None:
    cooldowns, now, waits = Cooldowns(), 0.0, []
    for _ in range(10):
        cooldowns.failed("a", LIMITED, now, b"x")
        wait = cooldowns.soonest(["a"], now)
        assert wait is not None
        waits.append(wait)
        now += wait
    assert waits[:4] == [FIRST_SECONDS, FIRST_SECONDS * 2, FIRST_SECONDS * 4, FIRST_SECONDS * 8]
    assert waits[-1] == LONGEST_SECONDS


def test_failures_of_requests_that_were_under_way_together_are_one_reason_to_rest() -> None:
    cooldowns = Cooldowns()
    for _ in range(64):
        cooldowns.failed("a", LIMITED, 0.0, b"x")
    assert cooldowns.soonest(["a"], 0.0) == FIRST_SECONDS


def test_a_failure_during_a_rest_extends_it() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(10), 0.0, b"x")
    cooldowns.failed("a", limited(10), 8.0, b"x")
    assert not cooldowns.available("a", 17.9)
    assert cooldowns.available("a", 18.0)


def test_a_success_during_a_rest_does_not_end_it() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(10), 0.0, b"x")
    cooldowns.succeeded("a", 1.0)
    assert not cooldowns.available("a", 9.9)


def test_only_failures_in_a_row_open_the_breaker() -> None:
    cooldowns = Cooldowns()
    for _ in range(BREAKER_FAILURES - 1):
        cooldowns.failed("a", FAILED, 0.0, b"x")
    assert cooldowns.available("a", 0.0)
    cooldowns.succeeded("a", 0.0)
    for number in range(BREAKER_FAILURES):
        assert cooldowns.available("a", 0.0)
        cooldowns.failed("a", FAILED, 0.0, b"%d" % number)
    assert not cooldowns.available("a", 0.0)
    assert cooldowns.reason("a", 0.0) == "failing, tried again in 2 s"


def test_a_half_open_model_is_asked_by_one_request_at_a_time() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(10), 0.0, b"x")
    assert cooldowns.available("a", 10.0)
    cooldowns.begun("a", 10.0)
    assert not cooldowns.available("a", 10.1)
    assert cooldowns.available("a", 10.0 + PROBE_SECONDS)
    cooldowns.released("a")
    assert cooldowns.available("a", 10.1)
    cooldowns.begun("a", 10.1)
    cooldowns.succeeded("a", 10.2)
    assert cooldowns.available("a", 10.2)
    cooldowns.begun("a", 10.3)
    assert cooldowns.available("a", 10.3)


@pytest.mark.parametrize("end", ["succeeded", "failed", "released"])
def test_who_waits_is_told_when_the_request_that_asks_has_ended(end: str) -> None:
    cooldowns, told = Cooldowns(), []
    with cooldowns.watching(lambda: told.append(end)):
        cooldowns.failed("a", LIMITED, 0.0, b"x")
        cooldowns.succeeded("b", 0.0)
        assert not cooldowns.probing(["a"], 0.0)
        cooldowns.begun("a", FIRST_SECONDS)
        assert cooldowns.probing(["b", "a"], FIRST_SECONDS)
        assert told == []
        if end == "failed":
            cooldowns.failed("a", LIMITED, FIRST_SECONDS, b"x")
        elif end == "succeeded":
            cooldowns.succeeded("a", FIRST_SECONDS)
        else:
            cooldowns.released("a")
        assert not cooldowns.probing(["a"], FIRST_SECONDS)
    assert told == [end]
    cooldowns.begun("a", 1_000.0)
    cooldowns.released("a")
    assert told == [end]


def test_a_failed_probe_rests_longer() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", LIMITED, 0.0, b"x")
    cooldowns.begun("a", FIRST_SECONDS)
    cooldowns.failed("a", FAILED, FIRST_SECONDS, b"x")
    assert not cooldowns.available("a", FIRST_SECONDS * 3 - 0.1)
    assert cooldowns.available("a", FIRST_SECONDS * 3)


def test_a_wrong_key_parks_the_model_with_its_remedy_until_one_request_asks_again() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", WRONG_KEY, 0.0, b"x")
    assert cooldowns.parked() == {"a": "check the provider's api_key"}
    assert cooldowns.reason("a", 1.0) == "parked: check the provider's api_key"
    assert cooldowns.soonest(["a", "b"], 1.0) == 0.0
    assert not cooldowns.available("a", FIRST_PARKED_SECONDS - 0.1)
    assert cooldowns.available("a", FIRST_PARKED_SECONDS)
    assert "a" in cooldowns.parked()
    cooldowns.succeeded("a", FIRST_PARKED_SECONDS + 1)
    assert cooldowns.parked() == {}


def test_parking_doubles_with_each_probe_that_fails_up_to_a_longest() -> None:
    cooldowns, now, parked_for = Cooldowns(), 0.0, []
    for _ in range(10):
        cooldowns.begun("a", now)
        cooldowns.failed("a", WRONG_KEY, now, b"x")
        seconds = next(s for s in (5, 10, 20, 40, 80, 160, 320, 600) if cooldowns.available("a", now + s))
        assert not cooldowns.available("a", now + seconds - 0.1)
        parked_for.append(seconds)
        now += seconds
    assert parked_for == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_requests_that_were_under_way_when_it_was_parked_do_not_prolong_it() -> None:
    cooldowns = Cooldowns()
    for _ in range(64):
        cooldowns.failed("a", WRONG_KEY, 0.0, b"x")
    assert cooldowns.available("a", FIRST_PARKED_SECONDS)


def test_if_all_are_parked_one_is_asked_every_two_seconds_and_a_success_ends_it_at_once() -> None:
    cooldowns = Cooldowns()
    for model_id in ("a", "b"):
        cooldowns.failed(model_id, WRONG_KEY, 0.0, b"x")
    assert cooldowns.claim_last_resort(["a", "b"], 1.9) is None
    assert cooldowns.soonest(["a", "b"], 1.5) == 0.5
    assert cooldowns.claim_last_resort(["a", "b"], 2.0) == "a"
    assert cooldowns.claim_last_resort(["a", "b"], 2.1) is None
    cooldowns.begun("a", 2.0)
    assert cooldowns.probing(["a", "b"], 2.1)
    cooldowns.failed("a", WRONG_KEY, 2.2, b"x")
    assert cooldowns.claim_last_resort(["a", "b"], 4.2) == "b"
    cooldowns.begun("b", 4.2)
    cooldowns.succeeded("b", 4.4, began_at=4.2)
    assert cooldowns.available("b", 4.4)
    assert not cooldowns.available("a", 4.4)


def test_an_answer_to_an_older_request_does_not_end_parking() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", WRONG_KEY, 5.0, b"x")
    cooldowns.succeeded("a", 6.0, began_at=4.0)
    assert not cooldowns.available("a", 6.0)


def test_a_rate_limit_and_a_stated_wait_are_kept_even_if_nobody_else_is_left() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(27), 0.0, b"x")
    overloaded = ProviderError(Verdict.FAILED, "come back", status=503, retry_after_seconds=9)
    cooldowns.failed("b", overloaded, 0.0, b"x")
    assert cooldowns.claim_last_resort(["a", "b"], 8.0) is None
    assert cooldowns.soonest(["a", "b"], 8.0) == 1.0
    assert cooldowns.soonest(["a"], 8.0) == 19.0


def test_a_model_cools_down_after_five_refusals_in_a_row_of_what_another_answered() -> None:
    cooldowns = Cooldowns()
    for request in (b"1", b"2", b"1", b"1"):
        cooldowns.blamed("a", request, 0.0)
    assert cooldowns.available("a", 0.0)
    cooldowns.blamed("a", b"1", 0.0)
    assert cooldowns.reason("a", 0.0) == "refuses what other models answer, tried again in 2 s"


def test_one_request_alone_cools_nothing_however_often_it_comes() -> None:
    cooldowns = Cooldowns()
    for _ in range(10 * BLAMES):
        cooldowns.blamed("a", b"the same", 0.0)
    assert cooldowns.available("a", 0.0)


def test_a_success_between_the_refusals_starts_the_count_anew() -> None:
    cooldowns = Cooldowns()
    for _ in range(3):
        for number in range(BLAMES - 1):
            cooldowns.blamed("a", str(number).encode(), 0.0)
        cooldowns.succeeded("a", 0.0)
    assert cooldowns.available("a", 0.0)


@pytest.mark.parametrize("error", [FAILED, ProviderError(Verdict.TIMEOUT, "late")])
def test_what_one_request_provokes_again_and_again_does_not_open_the_breaker(error: ProviderError) -> None:
    cooldowns = Cooldowns()
    for _ in range(10 * BREAKER_FAILURES):
        cooldowns.failed("a", error, 0.0, b"poison")
    assert cooldowns.available("a", 0.0)
    cooldowns.failed("a", error, 0.0, b"another")
    assert not cooldowns.available("a", 0.0)


@pytest.mark.parametrize("error", [WRONG_KEY, limited(3_000), FAILED])
def test_resuming_forgets_everything_and_tells_who_waits(error: ProviderError) -> None:
    cooldowns, told = Cooldowns(), []
    for number in range(BREAKER_FAILURES):
        cooldowns.failed("a", error, 0.0, b"%d" % number)
    cooldowns.begun("a", 0.0)
    with cooldowns.watching(lambda: told.append("told")):
        cooldowns.resume("a")
        cooldowns.resume("never seen")
    assert cooldowns.available("a", 0.0)
    assert cooldowns.parked() == {}
    assert told == ["told"]


def test_only_what_is_parked_or_failing_is_broken_and_only_until_its_rest_is_over() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("parked", WRONG_KEY, 0.0, b"x")
    cooldowns.failed("limited", limited(60), 0.0, b"x")
    assert cooldowns.is_broken("parked", 1.0)
    assert not cooldowns.is_broken("parked", FIRST_PARKED_SECONDS)
    assert not cooldowns.is_broken("limited", 1.0)
    assert not cooldowns.is_broken("never seen", 1.0)


def test_each_park_cooldown_return_and_resumption_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    cooldowns = Cooldowns()
    with caplog.at_level(logging.INFO, logger="gateway.routing.cooldowns"):
        cooldowns.failed("a", WRONG_KEY, 0.0, b"x")
        cooldowns.failed("a", WRONG_KEY, 0.1, b"x")  # was under way
        cooldowns.succeeded("a", FIRST_PARKED_SECONDS)
        cooldowns.failed("b", LIMITED, 0.0, b"x")
        cooldowns.failed("b", LIMITED, 0.1, b"x")
        cooldowns.resume("b")
        cooldowns.resume("b")
    assert [record.getMessage() for record in caplog.records] == [
        "a is parked, probed after 5 s: check the provider's api_key",
        "a answers again",
        "b cools down for 2 s: rate-limited by its provider",
        "b is resumed by an operator",
    ]
