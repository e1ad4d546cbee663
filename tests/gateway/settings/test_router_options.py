"""A router's options: kept as JSON, read back the same, and refused alike wherever they come from."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import HalfLives, Json, Objective, RouterSettings
from gateway.settings.judge_options import JudgeOptions
from gateway.settings.router_options import DEFAULT_OPTIONS, OptionsError, RouterOptions, bandit_settings
from gateway.settings.shadow_options import ShadowOptions

SECONDS = st.floats(1.0, 3_600.0)
OPTIONS = st.builds(
    RouterOptions,
    policy=st.sampled_from(["thompson", "uniform", "cheapest", "fixed:a/b"]),
    objective=st.sampled_from(["balanced", "best"]) | st.builds(Objective, *[st.floats(0, 1e4)] * 3),
    exploration=st.floats(0, 1),
    half_lives=st.builds(HalfLives, SECONDS, SECONDS, SECONDS, SECONDS),
    request_timeout_seconds=SECONDS,
    max_attempts=st.integers(1, 10),
    store_content=st.booleans(),
    retention_days=st.none() | st.integers(1, 36_500),
    feedback_scale=st.tuples(st.floats(-1e6, 0.0), st.floats(1.0, 1e6)),
    instructions=st.booleans(),
    budget_usd_per_request=st.none() | st.floats(1e-9, 1e6),
    sticky_seconds=st.none() | SECONDS,
    judge=st.none() | st.builds(JudgeOptions, st.sampled_from([("a/b",), ("a/b", "c/d")]), st.floats(0.0, 1.0)),
    shadow=st.none() | st.builds(ShadowOptions, st.floats(0.0, 1.0), st.floats(0.01, 9.0), st.booleans()),
)


@given(OPTIONS)
def test_options_survive_the_way_through_json(options: RouterOptions) -> None:
    assert RouterOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_nothing_set_means_the_defaults() -> None:
    assert RouterOptions.from_json({}) == DEFAULT_OPTIONS
    assert RouterOptions.from_json({"policy": None}) == DEFAULT_OPTIONS


def test_the_defaults_are_those_of_the_bandit() -> None:
    default = RouterSettings("rtr_a")
    assert bandit_settings("rtr_a", DEFAULT_OPTIONS, default.objective) == default


def test_keys_of_a_newer_version_are_passed_over_in_stored_options() -> None:
    assert RouterOptions.from_json({"of_tomorrow": 1, "max_attempts": 2}).max_attempts == 2


def test_a_broken_stored_option_is_named() -> None:
    with pytest.raises(OptionsError, match="max_attempts must be a whole number") as caught:
        RouterOptions.from_json({"max_attempts": "many"})
    assert caught.value.problems[0].path == ("max_attempts",)


def test_a_whole_number_that_is_no_float_is_named_too() -> None:
    settings: dict[str, Json] = {
        "exploration": 10**400,
        "max_usd_per_day": -(10**400),
        "judge": {"model": "a/b", "share": 10**400},
    }
    for name, value in settings.items():
        with pytest.raises(OptionsError, match="must be a finite number") as caught:
            RouterOptions.from_json({name: value})
        assert caught.value.problems[0].path[0] == name
