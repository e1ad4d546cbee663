"""Rules in a choice: what is demanded, what is preferred, and that its record alone tells all of it."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.decision import choose
from bandit.draws import draw, redraw
from bandit.policies import PLAIN
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.preference import preferred
from bandit.price import Price
from bandit.replay import replay
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import AppliedRule, Arm, BudgetState, Choice, Context, RouterSettings, RuleMode

MODELS = ("a/one", "b/two", "c/three")
CONTEXT = Context("code", 200)
ALWAYS = AppliedRule(1, RuleMode.ALWAYS, "c/three", when="code")
PREFER = AppliedRule(2, RuleMode.PREFER, "c/three", 20.0, "code")

scores = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 1)), min_size=3, max_size=3)


def snapshot_of(seen: list[tuple[float, float]], of: RouterSettings, usd: float = 1e-7) -> Snapshot:
    """A router of three arms at one price, with (number, mean) of scores each."""
    sums = {
        StatisticKey("rtr_x", model_id, "code", Signal.QUALITY): Sums(0.0, 1e9, count, count * mean)
        for model_id, (count, mean) in zip(MODELS, seen, strict=True)
        if count
    }
    arms = [Arm(model_id, Price(usd, 4 * usd, usd), min_share=0.1, max_share=0.7) for model_id in MODELS]
    return take_snapshot(of, arms, sums, BudgetState(), 0.0)


def ruled(snapshot: Snapshot, *rules: AppliedRule) -> Choice:
    return choose(snapshot, CONTEXT, MODELS, rules=rules)


def p_of(choice: Choice, model_id: str = "c/three") -> float:
    return next(arm.p for arm in choice.arms if arm.model_id == model_id)


@pytest.mark.parametrize("policy", sorted(PLAIN))
@pytest.mark.parametrize("rules", [(ALWAYS,), (PREFER,), (replace(ALWAYS, passed_over="lacks vision"), PREFER, ALWAYS)])
@settings(max_examples=10)
@given(seen=scores, ident=st.text(min_size=1, max_size=9))
def test_a_choice_by_rules_replays_from_its_record_alone(
    policy: str, rules: tuple[AppliedRule, ...], seen: list[tuple[float, float]], ident: str
) -> None:
    choice = ruled(snapshot_of(seen, RouterSettings("rtr_x", policy=policy)), *rules)
    read = msgspec.json.decode(msgspec.json.encode(choice), type=Choice)
    assert read == choice
    assert sum(arm.p for arm in read.arms) == pytest.approx(1.0, abs=1e-12)
    assert replay(read, draw(choice, b"secret", ident)).identical
    if rules[0] is ALWAYS:
        assert [arm.p for arm in read.arms] == [0.0, 0.0, 1.0]
        assert draw(choice, b"secret", ident).propensity == 1.0


def test_if_the_demanded_model_fails_the_best_of_the_others_answers() -> None:
    choice = ruled(snapshot_of([(50, 0.2), (50, 0.9), (50, 0.5)], RouterSettings("rtr_x")), ALWAYS)
    second = redraw(choice, b"secret", "req_1", 2, {"c/three"})
    assert second is not None
    assert (second.model_id, second.randomised) == ("b/two", False)


def test_a_preference_is_the_posterior_after_that_many_scores_of_one() -> None:
    known = RouterSettings("rtr_x", exploration=0.0)
    choice = ruled(snapshot_of([(10, 0.5), (10, 0.5), (10, 0.5)], known), PREFER)
    arm, plain = choice.arms[2], choice.unpreferred
    assert plain is not None
    size = plain.quality * (1 - plain.quality) / plain.quality_deviation**2 - 1
    assert arm.quality == pytest.approx((plain.quality * size + 20) / (size + 20))
    assert arm.quality_deviation**2 == pytest.approx(arm.quality * (1 - arm.quality) / (size + 21))
    without = choose(snapshot_of([(10, 0.5), (10, 0.5), (10, 0.5)], known), CONTEXT, MODELS).arms[2]
    assert (plain.quality, plain.mean_usd, plain.deviation_usd) == (
        without.quality,
        without.mean_usd,
        without.deviation_usd,
    )


def test_a_preference_decides_while_little_is_known_and_scores_overturn_it() -> None:
    router = RouterSettings("rtr_x")
    assert p_of(ruled(snapshot_of([(0, 0), (0, 0), (0, 0)], router), PREFER)) == pytest.approx(0.7)  # its max_share
    overturned = ruled(snapshot_of([(200, 0.9), (200, 0.9), (200, 0.4)], router), PREFER)
    assert p_of(overturned) == pytest.approx(0.1)  # its min_share
    assert overturned.arms[2].scores == pytest.approx(200.0)


@given(seen=scores, weights=st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)))
def test_a_larger_weight_never_makes_a_model_look_worse(
    seen: list[tuple[float, float]], weights: tuple[float, float]
) -> None:
    snapshot = snapshot_of(seen, RouterSettings("rtr_x"))
    less, more = (ruled(snapshot, replace(PREFER, weight=weight)).arms[2] for weight in sorted(weights))
    assert less.quality <= more.quality + 1e-12
    assert less.mean_usd <= more.mean_usd + 1e-12


@given(st.floats(0.02, 0.98), st.floats(1.0, 1e4), st.floats(1e-3, 1e4))
def test_preferring_twice_is_preferring_once_with_both_weights(mean: float, size: float, weight: float) -> None:
    variance = mean * (1 - mean) / (size + 1)
    once = preferred(mean, variance, 3 * weight)
    assert preferred(*preferred(mean, variance, weight), 2 * weight) == pytest.approx(once, rel=1e-6)


def test_a_rule_that_is_passed_over_or_excludes_others_is_not_in_force() -> None:
    snapshot = snapshot_of([(0, 0), (0, 0), (0, 0)], RouterSettings("rtr_x"))
    never = AppliedRule(1, RuleMode.NEVER, "z/gone")
    choice = ruled(snapshot, never, replace(ALWAYS, passed_over="is cooling"), PREFER, ALWAYS)
    assert choice.rule is choice.rules[2]
    assert ruled(snapshot, never).arms == choose(snapshot, CONTEXT, MODELS).arms
