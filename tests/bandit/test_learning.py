"""What an event teaches, whose fault it is, and that sums are sums: in any order, on any replica, after corrections."""

import itertools
import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.budget import pace
from bandit.learning import learn_any, learn_attempt, learn_scores, learn_validity, merge
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, Attempt, BudgetState, Context, Ending, RouterSettings, Scores

ARM = Arm("a/one", Price(1e-6, 2e-6, 5e-7))
SNAPSHOT = take_snapshot(RouterSettings("rtr_x"), [ARM], {}, BudgetState(), 0.0)
CONTEXT = Context("code", 100)
PLAIN = Attempt(
    1,
    "a/one",
    1.0,
    True,
    Ending.COMPLETE,
    0.0,
    2.0,
    stream=False,
    prompt_tokens=110,
    completion_tokens=50,
    cost_usd=2e-4,
)


def taught(attempt: Attempt, context: Context = CONTEXT) -> dict[Signal, Sums]:
    return {key.signal: sums for key, sums in learn_attempt(SNAPSHOT, context, attempt, 10.0, None).items()}


def failed(ending: Ending, seconds: float = 2.0) -> Attempt:
    return replace(PLAIN, ending=ending, seconds=seconds, prompt_tokens=None, completion_tokens=None, cost_usd=0.0)


def test_what_is_added_late_fades_as_the_sums_that_it_is_added_to() -> None:
    """A process that does not know of a changed half-life yet learns with the former one."""
    held = Sums(at=100.0, half_life=50.0, weight=1.0, total=1.0, squares=1.0)
    late = Sums(at=0.0, half_life=1_000.0, weight=4.0, total=4.0, squares=4.0)
    assert held + late == Sums(at=100.0, half_life=50.0, weight=2.0, total=2.0, squares=2.0)
    assert late + held == Sums(
        at=100.0,
        half_life=1_000.0,
        weight=1.0 + 4.0 * 2.0**-0.1,
        total=1.0 + 4.0 * 2.0**-0.1,
        squares=1.0 + 4.0 * 2.0**-0.1,
    )


def test_a_complete_answer_teaches_success_latency_and_tokens_but_no_quality() -> None:
    learned = taught(PLAIN)
    assert (learned[Signal.SUCCESS].weight, learned[Signal.SUCCESS].total) == (1.0, 1.0)
    assert learned[Signal.TOTAL].weight == 1.0
    assert learned[Signal.COMPLETION_TOKENS].total == 50.0
    assert (learned[Signal.PROMPT_RATIO].weight, learned[Signal.PROMPT_RATIO].total) == (100.0, 110.0)
    assert Signal.QUALITY not in learned


@given(
    attempt=st.builds(
        replace,
        st.just(PLAIN),
        ending=st.sampled_from([Ending.COMPLETE] * 4 + [Ending.CLIENT_GONE]),
        seconds=st.one_of(st.floats(0.0, 1e4), st.floats(0.0, 1e-9)),
        stream=st.booleans(),
        estimated=st.booleans(),
        prompt_tokens=st.one_of(st.none(), st.integers(0, 10**6)),
        completion_tokens=st.one_of(st.none(), st.integers(0, 10**6)),
    ),
    prompt=st.integers(0, 10**6),
    tools=st.sampled_from([0, 0, 7]),
    max_tokens=st.one_of(st.none(), st.integers(1, 10_000)),
    priced=st.booleans(),
)
def test_a_plain_answer_teaches_what_any_call_does(
    attempt: Attempt, prompt: int, tools: int, max_tokens: int | None, priced: bool
) -> None:
    arm = ARM if priced else replace(ARM, price=None)
    snapshot = take_snapshot(RouterSettings("rtr_x"), [arm], {}, BudgetState(), 0.0)
    context = replace(CONTEXT, prompt_tokens=prompt, tool_tokens=tools)
    learned = learn_attempt(snapshot, context, attempt, 10.0, max_tokens)
    assert list(learned.items()) == list(learn_any(snapshot, 0, context, attempt, 10.0, max_tokens).items())


def test_a_stream_teaches_the_first_token_and_the_pace() -> None:
    streamed = replace(PLAIN, stream=True, first_token_seconds=0.5)
    learned = taught(streamed, replace(CONTEXT, stream=True))
    assert learned[Signal.FIRST_TOKEN].total == pytest.approx(math.log(0.5))
    assert learned[Signal.PER_TOKEN].total == pytest.approx(math.log(1.5 / 49), abs=0.05)
    assert Signal.TOTAL not in learned


@pytest.mark.parametrize(
    ("ending", "success"),
    [
        (Ending.TIMEOUT, 0.0),
        (Ending.FAILED, 0.0),
        (Ending.CUT, 0.0),
        (Ending.CLIENT_GONE, None),
        (Ending.RATE_LIMITED, None),
        (Ending.MISCONFIGURED, None),
        (Ending.INCAPABLE, None),
        (Ending.REJECTED, None),
    ],
)
def test_whose_fault_it_is(ending: Ending, success: float | None) -> None:
    learned = taught(failed(ending))
    assert Signal.QUALITY not in learned
    assert Signal.COMPLETION_TOKENS not in learned
    if success is None:
        assert Signal.SUCCESS not in learned
    else:
        assert (learned[Signal.SUCCESS].weight, learned[Signal.SUCCESS].total) == (1.0, success)


def test_a_timeout_is_one_observation_of_one_and_a_half_times_the_wait() -> None:
    learned = taught(replace(failed(Ending.TIMEOUT, 8.0), stream=True), replace(CONTEXT, stream=True))
    assert learned[Signal.FIRST_TOKEN].total == pytest.approx(math.log(12.0))
    assert learned[Signal.FIRST_TOKEN].weight == 1.0


def test_a_client_that_left_soon_teaches_nothing_of_latency_and_one_that_waited_long_does() -> None:
    streaming = replace(CONTEXT, stream=True)
    soon = taught(replace(failed(Ending.CLIENT_GONE, 0.01), stream=True), streaming)
    late = taught(replace(failed(Ending.CLIENT_GONE, 60.0), stream=True), streaming)
    assert Signal.FIRST_TOKEN not in soon
    assert late[Signal.FIRST_TOKEN].weight == 1.0


def test_estimated_tokens_are_booked_not_learned() -> None:
    learned = taught(replace(PLAIN, estimated=True))
    assert Signal.COMPLETION_TOKENS not in learned
    assert Signal.PROMPT_RATIO not in learned


def test_one_huge_answer_counts_at_most_the_cap() -> None:
    learned = taught(replace(PLAIN, completion_tokens=1_000_000))
    assert learned[Signal.COMPLETION_TOKENS].total <= 4_096


def test_validity_is_its_own_signal() -> None:
    learned = learn_validity(SNAPSHOT, "a/one", True, 3.0)
    assert {key.signal for key in learned} == {Signal.VALIDITY}


def scores_of(**by_source: float) -> Scores:
    return Scores("rtr_x", "a/one", "code", 5.0, by_source)


def test_a_completion_weighs_one_whoever_judges_and_however_often() -> None:
    state: dict[StatisticKey, Sums] = {}
    steps = [scores_of(), scores_of(user=1.0), scores_of(user=1.0, judge=0.5), scores_of(user=0.0, judge=0.5)]
    for before, after in itertools.pairwise(steps):
        merge(state, learn_scores(before, after, 1e6))
    sums = state[StatisticKey("rtr_x", "a/one", "code", Signal.QUALITY)]
    assert sums.weight == pytest.approx(1.0)
    assert sums.total == pytest.approx(0.25)
    assert learn_scores(steps[-1], steps[-1], 1e6) == {}


def test_a_source_that_weighs_less_counts_less_and_takes_no_weight_from_another() -> None:
    """An agent's run of four completions scored 1, then one of them by a user, then that one corrected."""
    state: dict[StatisticKey, Sums] = {}
    run = {"run": 0.25}
    steps = [
        scores_of(),
        replace(scores_of(run=1.0), weights=run),
        replace(scores_of(run=1.0, user=0.0), weights=run),
        replace(scores_of(run=0.0, user=0.5), weights=run),
    ]
    expected = [(0.25, 0.25), (1.0, 0.2), (1.0, 0.4)]
    for (before, after), (weight, total) in zip(itertools.pairwise(steps), expected, strict=True):
        merge(state, learn_scores(before, after, 1e6))
        sums = state[StatisticKey("rtr_x", "a/one", "code", Signal.QUALITY)]
        assert sums.weight == pytest.approx(weight)
        assert sums.total == pytest.approx(total)
        assert sums.squares == pytest.approx(total * total / weight)
    merge(state, learn_scores(steps[-1], scores_of(), 1e6))
    sums = state[StatisticKey("rtr_x", "a/one", "code", Signal.QUALITY)]
    assert abs(sums.weight) + abs(sums.total) + abs(sums.squares) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=1_000, deadline=None)
@given(st.integers(0, 10**9))
def test_any_order_any_split_over_replicas_and_corrections_give_one_state(seed: int) -> None:
    rng = random.Random(seed)
    events = []
    for number in range(60):
        at = rng.uniform(0.0, 5_000.0)
        after = scores_of(user=rng.random())
        events.append(learn_scores(replace(scores_of(), at=at), replace(after, at=at), 900.0))
        if number % 5 == 0:
            corrected = replace(scores_of(user=rng.random()), at=at)
            events.append(learn_scores(replace(after, at=at), corrected, 900.0))
    together: dict[StatisticKey, Sums] = {}
    for event in events:
        merge(together, event)
    replicas: list[dict[StatisticKey, Sums]] = [{}, {}, {}, {}]
    for event in rng.sample(events, len(events)):
        merge(rng.choice(replicas), event)
    merged: dict[StatisticKey, Sums] = {}
    for replica in replicas:
        merge(merged, replica)
    for key, sums in together.items():
        other = merged[key]
        for mine, theirs in ((sums.weight, other.weight), (sums.total, other.total), (sums.squares, other.squares)):
            assert abs(mine - theirs) <= 1e-9 * max(1.0, abs(mine))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -5.0])
@pytest.mark.parametrize("signal", list(Signal))
def test_a_broken_row_means_the_prior_and_a_warning_never_an_exception(signal: Signal, broken: float) -> None:
    task = "code" if signal in {Signal.QUALITY, Signal.COMPLETION_TOKENS, Signal.COST} else ""
    key = StatisticKey("rtr_x", "a/one", task, signal)
    sound = take_snapshot(RouterSettings("rtr_x"), [ARM], {}, BudgetState(), 0.0)
    snapshot = take_snapshot(
        RouterSettings("rtr_x"), [ARM], {key: Sums(0.0, 1e6, broken, 1.0, 1.0)}, BudgetState(), 0.0
    )
    assert snapshot.warnings
    assert snapshot.quality("code")[0] == pytest.approx(sound.quality("code")[0])
    assert snapshot.cost_usd(CONTEXT)[0] == pytest.approx(sound.cost_usd(CONTEXT)[0])
    assert snapshot.seconds(CONTEXT)[0] == pytest.approx(sound.seconds(CONTEXT)[0])


def test_a_budget_makes_dollars_dearer_while_too_much_is_spent_and_relaxes_after() -> None:
    state = BudgetState()
    for _ in range(200):
        state = pace(state, 0.001, 0.003)
    dear = state.multiplier
    assert dear > 10.0
    for _ in range(400):
        state = pace(state, 0.001, 0.0001)
    assert 1.0 <= state.multiplier < dear


def test_what_a_judge_says_alone_is_known_apart_and_is_compared_as_soon_as_somebody_else_has_scored() -> None:
    none, by_judge, by_both = scores_of(), scores_of(judge=0.9), scores_of(judge=0.9, user=0.5)
    first = {key.signal: sums for key, sums in learn_scores(none, by_judge, 60.0).items()}
    assert first.keys() == {Signal.QUALITY, Signal.JUDGED_QUALITY}, "and in no window: its error is not a change"
    then = {key.signal: sums for key, sums in learn_scores(by_judge, by_both, 60.0).items()}
    assert then[Signal.JUDGED_QUALITY] == -first[Signal.JUDGED_QUALITY]
    assert then[Signal.QUALITY].total == pytest.approx(-0.2)
    assert (then[Signal.LATEST_QUALITY].weight, then[Signal.LATEST_QUALITY].total) == (1.0, 0.7)
    assert then[Signal.JUDGE_DIFFERENCE].total == pytest.approx(0.4)
    total: dict[StatisticKey, Sums] = {}
    for before, after in itertools.pairwise([none, by_judge, by_both, none]):
        merge(total, learn_scores(before, after, 60.0))
    assert all(abs(sums.weight) + abs(sums.total) < 1e-12 for sums in total.values())
