"""Latency: medians and spreads decide, not one hang, and a long answer does not make a model look slow."""

import math
from dataclasses import replace

import pytest

from bandit.learning import learn_attempt, merge
from bandit.posteriors.latency import log_time, time_prior
from bandit.posteriors.snapshot import WHOLE, Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import StatisticKey, Sums
from bandit.types import Arm, Attempt, BudgetState, Context, Ending, LogNormalPrior, RouterSettings

SETTINGS = RouterSettings("rtr_l")
ARMS = [Arm(name, Price(1e-6, 2e-6, 1e-6)) for name in ("p/a", "p/b")]
CONTEXT = Context("chat", 500)
ANSWER = Attempt(
    number=1,
    model_id="p/a",
    propensity=1.0,
    randomised=True,
    ending=Ending.COMPLETE,
    started_at=0.0,
    seconds=2.0,
    stream=False,
    completion_tokens=100,
)


def after(attempts: list[Attempt]) -> Snapshot:
    """What is known after these answers, all at one instant."""
    empty = take_snapshot(SETTINGS, ARMS, {}, BudgetState(), 0.0)
    sums: dict[StatisticKey, Sums] = {}
    for attempt in attempts:
        merge(sums, learn_attempt(empty, CONTEXT, attempt, 0.0, None))
    return take_snapshot(SETTINGS, ARMS, sums, BudgetState(), 0.0)


def test_one_hang_among_fifty_answers_does_not_change_who_is_faster() -> None:
    fast = [ANSWER] * 49 + [replace(ANSWER, seconds=102.0)]
    slow = [replace(ANSWER, model_id="p/b", seconds=3.0)] * 50
    seconds, _ = after(fast + slow).seconds(CONTEXT)
    assert seconds[0] < seconds[1]
    assert sum(one.seconds for one in fast) > sum(one.seconds for one in slow)  # the arithmetic mean says otherwise


def test_a_long_answer_does_not_make_a_model_look_slow() -> None:
    short = [replace(ANSWER, seconds=150 / 50, completion_tokens=100)] * 20
    long = [replace(ANSWER, model_id="p/b", seconds=1_050 / 50, completion_tokens=1_000)] * 20
    times = after(short + long).time(WHOLE)[0]
    assert times[0] == pytest.approx(times[1])


def test_no_sums_whatever_make_expected_seconds_infinite() -> None:
    prior = time_prior(LogNormalPrior(0.0, 1.5, 1.0), own=True)
    for mean in (-50.0, 0.0, 50.0):
        seconds, relative = log_time([[10.0], [10.0 * mean], [10.0 * mean * mean + 1e6]], [prior])
        assert math.isfinite(seconds[0])
        assert 0.0 < relative[0] <= 4.0


def test_more_observations_make_surer() -> None:
    few, many = after([ANSWER] * 4), after([ANSWER] * 40)
    assert many.seconds(CONTEXT)[1][0] < few.seconds(CONTEXT)[1][0]


def test_expected_seconds_end_at_the_deadline() -> None:
    hanging = [replace(ANSWER, seconds=500.0, ending=Ending.TIMEOUT, completion_tokens=None)] * 50
    seconds, variance = after(hanging).seconds(replace(CONTEXT, max_tokens=100_000))
    assert seconds[0] <= SETTINGS.deadline_seconds
    assert math.isfinite(variance[0])
