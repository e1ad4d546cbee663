"""Cooldowns, parking and what a model can't take: laws first, for any course of events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Ending
from gateway.providers.upstream.provider import ProviderError
from gateway.routing.cooldowns import (
    BREAKER_FAILURES,
    FIRST_SECONDS,
    INCAPABLE_SECONDS,
    LONGEST_SECONDS,
    MOST_FIELDS,
    PARKED_SECONDS,
    PROBE_SECONDS,
    Cooldowns,
    stated_limit,
)

LIMITED = ProviderError(Ending.RATE_LIMITED, "slow down", status=429)
FAILED = ProviderError(Ending.FAILED, "HTTP 500: oops", status=500)
WRONG_KEY = ProviderError(Ending.MISCONFIGURED, "check the provider's api_key", status=401)


def limited(seconds: float | None) -> ProviderError:
    return ProviderError(Ending.RATE_LIMITED, "slow down", status=429, retry_after_seconds=seconds)


ERRORS = st.one_of(
    st.sampled_from([FAILED, WRONG_KEY, ProviderError(Ending.TIMEOUT, "late"), ProviderError(Ending.REJECTED, "you")]),
    st.builds(limited, st.none() | st.floats(0, 100)),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["failed", "succeeded", "begun", "released"]),
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
            cooldowns.failed(model_id, error, now)
        elif what == "succeeded":
            cooldowns.succeeded(model_id, now)
        elif what == "begun":
            cooldowns.begun(model_id, now)
        else:
            cooldowns.released(model_id)
    return cooldowns, now


@given(EVENTS)
def test_a_reason_is_given_exactly_for_models_that_are_not_available(events: list[Any]) -> None:
    cooldowns, now = play(events)
    for model_id in ("a", "b", "never seen"):
        assert (cooldowns.reason(model_id, now) is None) == cooldowns.available(model_id, now)


@given(EVENTS)
def test_soonest_is_the_true_time_of_the_first_return(events: list[Any]) -> None:
    cooldowns, now = play(events)
    wait = cooldowns.soonest(["a", "b"], now)
    if wait is None:
        assert not cooldowns.available("a", now)
        assert not cooldowns.available("b", now)
        return
    assert wait >= 0
    assert any(cooldowns.available(model_id, now + wait + 1e-6) for model_id in "ab")
    if wait > 1e-3:
        unparked = [model_id for model_id in "ab" if model_id not in cooldowns.parked()]
        assert not any(cooldowns.available(model_id, now + wait - 1e-3) for model_id in unparked)


@given(EVENTS, st.floats(0, 100))
def test_retry_after_is_honoured_whatever_happened_before(events: list[Any], seconds: float) -> None:
    cooldowns, now = play(events)
    cooldowns.failed("a", limited(seconds), now)
    if seconds > 1e-6:
        assert not cooldowns.available("a", now + seconds * 0.999)


@given(EVENTS)
def test_every_rest_ends(events: list[Any]) -> None:
    cooldowns, now = play(events)
    later = now + max(PARKED_SECONDS, LONGEST_SECONDS, PROBE_SECONDS, 100) + 1
    assert all(cooldowns.available(model_id, later) for model_id in "ab")


@given(EVENTS)
def test_a_success_after_the_rest_clears_everything(events: list[Any]) -> None:
    cooldowns, now = play(events)
    later = now + 10_000
    cooldowns.succeeded("a", later)
    assert cooldowns.available("a", later)
    assert "a" not in cooldowns.parked()
    cooldowns.failed("a", FAILED, later)
    assert cooldowns.available("a", later)


@given(st.lists(st.tuples(st.sampled_from("ab"), ERRORS), max_size=10))
def test_models_do_not_disturb_one_another(events: list[tuple[str, ProviderError]]) -> None:
    cooldowns = Cooldowns()
    for _, error in events:
        cooldowns.failed("a", error, 0.0)
    assert cooldowns.available("b", 0.0)
    assert cooldowns.soonest(["a", "b"], 0.0) == 0.0


def test_rests_double_with_each_failure_after_a_rest_up_to_a_longest() -> None:
    cooldowns, now, waits = Cooldowns(), 0.0, []
    for _ in range(10):
        cooldowns.failed("a", LIMITED, now)
        wait = cooldowns.soonest(["a"], now)
        assert wait is not None
        waits.append(wait)
        now += wait
    assert waits[:4] == [FIRST_SECONDS, FIRST_SECONDS * 2, FIRST_SECONDS * 4, FIRST_SECONDS * 8]
    assert waits[-1] == LONGEST_SECONDS


def test_failures_of_requests_that_were_under_way_together_are_one_reason_to_rest() -> None:
    cooldowns = Cooldowns()
    for _ in range(64):
        cooldowns.failed("a", LIMITED, 0.0)
    assert cooldowns.soonest(["a"], 0.0) == FIRST_SECONDS


def test_a_failure_during_a_rest_extends_it() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(10), 0.0)
    cooldowns.failed("a", limited(10), 8.0)
    assert not cooldowns.available("a", 17.9)
    assert cooldowns.available("a", 18.0)


def test_a_success_during_a_rest_does_not_end_it() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(10), 0.0)
    cooldowns.succeeded("a", 1.0)
    assert not cooldowns.available("a", 9.9)


def test_only_failures_in_a_row_open_the_breaker() -> None:
    cooldowns = Cooldowns()
    for _ in range(BREAKER_FAILURES - 1):
        cooldowns.failed("a", FAILED, 0.0)
    assert cooldowns.available("a", 0.0)
    cooldowns.succeeded("a", 0.0)
    for _ in range(BREAKER_FAILURES):
        assert cooldowns.available("a", 0.0)
        cooldowns.failed("a", FAILED, 0.0)
    assert not cooldowns.available("a", 0.0)
    assert cooldowns.reason("a", 0.0) == "failing, tried again in 2 s"


def test_a_half_open_model_is_asked_by_one_request_at_a_time() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", limited(10), 0.0)
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
        cooldowns.failed("a", LIMITED, 0.0)
        cooldowns.succeeded("b", 0.0)
        assert not cooldowns.probing(["a"], 0.0)
        cooldowns.begun("a", FIRST_SECONDS)
        assert cooldowns.probing(["b", "a"], FIRST_SECONDS)
        assert told == []
        if end == "failed":
            cooldowns.failed("a", LIMITED, FIRST_SECONDS)
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
    cooldowns.failed("a", LIMITED, 0.0)
    cooldowns.begun("a", FIRST_SECONDS)
    cooldowns.failed("a", FAILED, FIRST_SECONDS)
    assert cooldowns.soonest(["a"], FIRST_SECONDS) == FIRST_SECONDS * 2


def test_a_wrong_key_parks_the_model_with_its_remedy_until_one_request_asks_again() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", WRONG_KEY, 0.0)
    assert cooldowns.parked() == {"a": "check the provider's api_key"}
    assert cooldowns.reason("a", 1.0) == "parked: check the provider's api_key"
    assert cooldowns.soonest(["a"], 1.0) is None
    assert cooldowns.soonest(["a", "b"], 1.0) == 0.0
    assert cooldowns.available("a", PARKED_SECONDS)
    assert "a" in cooldowns.parked()
    cooldowns.succeeded("a", PARKED_SECONDS + 1)
    assert cooldowns.parked() == {}


def incapable(param: str | None, message: str = "no", code: str | None = None) -> ProviderError:
    return ProviderError(Ending.INCAPABLE, message, status=400, param=param, code=code)


def test_an_incapable_field_is_held_for_an_hour_and_the_model_stays_available() -> None:
    cooldowns = Cooldowns()
    cooldowns.failed("a", incapable("seed"), 0.0)
    assert cooldowns.available("a", 0.0)
    assert cooldowns.incapable_fields("a", INCAPABLE_SECONDS - 1) == {"seed"}
    assert cooldowns.incapable_fields("a", INCAPABLE_SECONDS) == frozenset()
    assert cooldowns.incapable_fields("b", 0.0) == frozenset()


@given(st.lists(st.text(min_size=1, max_size=5), max_size=200))
def test_callers_cannot_fill_the_memory_with_fields(names: list[str]) -> None:
    cooldowns = Cooldowns()
    for name in names:
        cooldowns.failed("a", incapable(name), 0.0)
    assert len(cooldowns.incapable_fields("a", 0.0)) <= MOST_FIELDS


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens", 8192),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200_000),
        ("the request exceeds the available context size (4,096 tokens)", 4096),
        ("context length exceeded", None),
    ],
)
def test_a_stated_context_length_is_remembered(message: str, tokens: int | None) -> None:
    assert stated_limit(message) == tokens
    cooldowns = Cooldowns()
    cooldowns.failed("a", incapable(None, message, "context_length_exceeded"), 0.0)
    assert cooldowns.context_limit("a", 1.0) == tokens
    assert cooldowns.context_limit("a", INCAPABLE_SECONDS) is None
    assert cooldowns.incapable_fields("a", 1.0) == frozenset()
