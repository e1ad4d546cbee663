"""What a choice would have been without one of its rules follows from its record, and agrees with such a choice."""

from dataclasses import replace

import numpy as np
import pytest

from bandit.decision import choose
from bandit.ope.estimates import Figure
from bandit.ope.estimators import compare
from bandit.ope.fitted import fit
from bandit.ope.logged import Logged
from bandit.ope.recorded import recorded_choice, stack
from bandit.ope.targets import Proposal, target_probabilities
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import AppliedRule, Arm, BudgetState, Choice, Context, Objective, RouterSettings, RuleMode

PRICES = {"cheap": 1e-6, "good": 8e-6, "middle": 3e-6}
QUALITY = {"cheap": 0.6, "good": 0.9, "middle": 0.7}
OBJECTIVE = Objective(0.02, 0.0, 0.001)
PREFER = AppliedRule(1, RuleMode.PREFER, "middle", 30.0, "chat")
OTHER = AppliedRule(2, RuleMode.PREFER, "cheap", 15.0, "short")
ALWAYS = AppliedRule(3, RuleMode.ALWAYS, "good", when="chat")
NEVER = AppliedRule(4, RuleMode.NEVER, "gone", when="chat")


def a_choice(*rules: AppliedRule, objective: Objective = OBJECTIVE) -> Choice:
    sums = {}
    for model, quality in QUALITY.items():
        sums[StatisticKey("rtr_t", model, "chat", Signal.QUALITY)] = Sums(0.0, 1e9, 12.0, 12.0 * quality, 9.0)
        sums[StatisticKey("rtr_t", model, "", Signal.OUTCOMES)] = Sums(0.0, 1e9, 30.0, 30.0, 30.0)
    arms = [Arm(model, Price(usd, usd, usd)) for model, usd in PRICES.items()]
    snapshot = take_snapshot(RouterSettings("rtr_t", objective=objective), arms, sums, BudgetState(), 0.0)
    return choose(snapshot, Context("chat", 1_000), tuple(PRICES), rules=rules)


def told(choice: Choice, proposal: Proposal) -> list[float]:
    """The target's probabilities in a choice, computed beside another one."""
    row: list[float] = target_probabilities(stack([recorded_choice(a_choice()), recorded_choice(choice)]), proposal)[
        1
    ].tolist()
    return row


def p_of(choice: Choice) -> list[float]:
    return [arm.p for arm in choice.arms]


@pytest.mark.parametrize(
    ("rules", "left_out", "rest"),
    [
        ((PREFER,), PREFER, ()),
        ((ALWAYS,), ALWAYS, ()),
        ((NEVER, PREFER, OTHER), PREFER, (OTHER,)),
        ((ALWAYS, PREFER), ALWAYS, (PREFER,)),
        ((PREFER, ALWAYS), PREFER, (ALWAYS,)),
        ((replace(ALWAYS, passed_over="cools"), PREFER), replace(PREFER, number=9, weight=1.0), ()),
    ],
)
def test_without_the_rule_in_force_the_next_one_holds(
    rules: tuple[AppliedRule, ...], left_out: AppliedRule, rest: tuple[AppliedRule, ...]
) -> None:
    was, would_have = a_choice(*rules), a_choice(*rest)
    assert told(was, Proposal(without=left_out)) == pytest.approx(p_of(would_have), abs=5e-3)
    assert max(map(abs, np.subtract(p_of(was), p_of(would_have)))) > 0.05  # the rule made a difference


def test_a_rule_that_was_not_in_force_changes_nothing() -> None:
    choice = a_choice(PREFER, OTHER)
    for left_out in (OTHER, ALWAYS, replace(PREFER, when="code"), replace(PREFER, model_id="good")):
        assert told(choice, Proposal(without=left_out)) == p_of(choice)


def test_rules_stay_in_force_under_another_objective_unless_they_are_left_out() -> None:
    other = Objective(0.2, 0.0, 0.001)
    assert told(a_choice(PREFER), Proposal(objective=other)) == pytest.approx(
        p_of(a_choice(PREFER, objective=other)), abs=0.06
    )
    assert told(a_choice(ALWAYS), Proposal(objective=other)) == [0.0, 1.0, 0.0]
    assert told(a_choice(PREFER), Proposal(objective=other, without=PREFER)) == pytest.approx(
        p_of(a_choice(objective=other)), abs=0.06
    )


def test_what_a_preference_was_worth_is_estimated_and_a_demand_is_refused() -> None:
    """Half of the requests fit a rule; the truth of both sides is known, so the interval must hold it."""
    rng = np.random.default_rng(7)
    true = dict(zip(sorted(QUALITY), (0.6, 0.9, 0.7), strict=True))
    for rule, refused in ((PREFER, False), (ALWAYS, True)):
        choices = [a_choice(), a_choice(rule)]
        stacked = stack([recorded_choice(each) for each in choices])
        log = []
        for number in range(4_000):
            choice = int(rng.integers(2))
            model = str(rng.choice(stacked.models, p=stacked.p[choice]))
            score = float(rng.random() < true[model])
            log.append(
                Logged(
                    at=float(number),
                    task="chat",
                    model_id=model,
                    choice=choice,
                    randomised=True,
                    answered=True,
                    cost_usd=PRICES[model] * 1_300,
                    seconds=1.0,
                    score=score,
                    scored_at=float(number),
                )
            )
        fitted = fit(log, stacked.models, stacked.p, 1e6)
        target = target_probabilities(stacked, Proposal(without=rule))
        answer = compare(fitted, target, OBJECTIVE)
        if refused:
            assert "had no chance in the log" in answer.target.refused[Figure.QUALITY]
            continue
        difference = answer.difference[Figure.QUALITY]
        truth = float(np.mean((target - stacked.p) @ [true[model] for model in stacked.models]))
        assert difference.low <= truth <= difference.high
        assert abs(truth) > 0.01
