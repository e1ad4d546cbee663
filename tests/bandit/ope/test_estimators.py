"""Off-policy evaluation finds the truth, says how sure it is, and is silent where the log says too little."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.ope.estimates import Estimate, Figure
from bandit.ope.estimators import Compared, Evaluation, evaluate
from bandit.ope.logged import Logged
from bandit.types import Objective
from tests.support.ope import compared, fitted_of, matrix

MODELS = ("a", "b", "c")
QUALITY = {"code": (0.9, 0.6, 0.3), "chat": (0.5, 0.6, 0.8)}
COST = (0.004, 0.001, 0.0005)
OBJECTIVE = Objective(quality_usd=0.01, second_usd=0.001, failure_usd=0.005)
P = {"code": (0.6, 0.3, 0.1), "chat": (0.1, 0.2, 0.7)}
CHOICES = tuple(P)
LOGGED = [dict(zip(MODELS, shares, strict=True)) for shares in P.values()]
NOW = 1e6


def make_log(seed: int, size: int, scored: float = 1.0, failing: float = 0.0) -> list[Logged]:
    """Decisions of a policy that knows the class, on a world whose truth is known."""
    rng = np.random.default_rng(seed)
    log = []
    for t in range(size):
        task = "code" if rng.random() < 0.5 else "chat"
        arm = int(rng.choice(3, p=P[task]))
        answered = bool(rng.random() >= failing)
        score = float(rng.random() < QUALITY[task][arm]) if answered and rng.random() < scored else None
        log.append(
            Logged(
                at=float(t),
                task=task,
                model_id=MODELS[arm],
                choice=CHOICES.index(task),
                randomised=True,
                answered=answered,
                cost_usd=COST[arm] * float(rng.uniform(0.5, 1.5)) if answered else 0.0,
                seconds=2.0,
                score=score,
                scored_at=t + 10.0 if score is not None else None,
            )
        )
    return log


def always(model: str) -> list[dict[str, float]]:
    return [{model: 1.0}] * len(CHOICES)


def told_of(log: list[Logged], target: list[dict[str, float]], now: float = NOW) -> Evaluation:
    return compare_with(log, target, now).target


def compare_with(log: list[Logged], target: list[dict[str, float]], now: float = NOW) -> Compared:
    return compared(log, LOGGED, target, OBJECTIVE, now)


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def true_quality(arm: int, failing: float = 0.0) -> float:
    return (1.0 - failing) * (QUALITY["code"][arm] + QUALITY["chat"][arm]) / 2.0


@given(st.integers(0, 10_000))
def test_a_policy_evaluated_on_its_own_log_is_the_log_s_mean(seed: int) -> None:
    log = make_log(seed, 200)
    told = told_of(log, LOGGED)
    for estimates in (told.ips, told.snips):
        assert estimates[Figure.COST].mean == pytest.approx(np.mean([row.cost_usd for row in log]))
        assert estimates[Figure.QUALITY].mean == pytest.approx(np.mean([row.score for row in log]))
    assert told.effective_size[Figure.COST] == pytest.approx(200.0)


@pytest.mark.parametrize("arm", [0, 1, 2])
@pytest.mark.parametrize("scored", [1.0, 0.3])
def test_other_policies_are_estimated_within_their_intervals_also_where_scores_are_rare(
    arm: int, scored: float
) -> None:
    log = make_log(arm, 4_000, scored)
    told = told_of(log, always(MODELS[arm]))
    for estimates in (told.ips, told.snips, told.doubly_robust):
        assert holds(estimates[Figure.QUALITY], true_quality(arm))
        assert holds(estimates[Figure.COST], COST[arm])
        utility = 0.01 * true_quality(arm) - COST[arm] - 0.001 * 2.0
        assert holds(estimates[Figure.UTILITY], utility)


def test_intervals_cover_the_truth_in_about_nineteen_of_twenty_logs() -> None:
    covered = []
    for seed in range(100):
        log = make_log(seed, 800, scored=0.5)
        told = told_of(log, always("c"))
        covered.append(holds(told.doubly_robust[Figure.QUALITY], true_quality(2)))
    assert 0.9 <= np.mean(covered) <= 0.99


def test_the_doubly_robust_interval_is_narrower_than_that_of_weights_alone() -> None:
    log = make_log(1, 2_000)
    told = told_of(log, always("b"))
    widths = [one[Figure.QUALITY].high - one[Figure.QUALITY].low for one in (told.doubly_robust, told.ips)]
    assert widths[0] < widths[1]


def test_a_score_of_an_episode_counts_as_one_however_many_completions_it_has() -> None:
    log = make_log(3, 2_000)
    of_runs = [replace(one, score=0.0, weight=0.1) if i % 2 else replace(one, score=1.0) for i, one in enumerate(log)]
    plain = told_of([replace(one, weight=1.0) for one in of_runs], LOGGED)
    told = told_of(of_runs, LOGGED)
    assert plain.doubly_robust[Figure.QUALITY].mean == pytest.approx(0.5, abs=0.02)
    assert told.doubly_robust[Figure.QUALITY].mean == pytest.approx(1.0 / 1.1, abs=0.02)
    assert told.effective_size[Figure.QUALITY] < 0.7 * plain.effective_size[Figure.QUALITY]


def test_a_failure_counts_as_quality_zero_and_costs_what_the_objective_says() -> None:
    log = make_log(2, 4_000, failing=0.2)
    told = told_of(log, always("a"))
    assert holds(told.doubly_robust[Figure.SUCCESS], 0.8)
    assert holds(told.doubly_robust[Figure.QUALITY], true_quality(0, 0.2))
    utility = 0.01 * true_quality(0, 0.2) - 0.8 * COST[0] - 0.002 - 0.005 * 0.2
    assert holds(told.doubly_robust[Figure.UTILITY], utility)


def test_young_sticky_and_unexplained_decisions_are_left_out_and_counted() -> None:
    log = make_log(3, 500)
    log[0] = replace(log[0], randomised=False)
    log[1] = replace(log[1], model_id="z")
    told = told_of(log, always("a"), now=499.0)
    assert told.decisions == 500 - 2 - 10  # scores take 10 seconds
    assert sum(told.left_out.values()) == 12
    assert len(told.left_out) == 3


def test_thin_evidence_is_refused_with_the_reason_and_cost_is_told_where_scores_are_too_few() -> None:
    log = make_log(4, 200, scored=0.05)
    told = told_of(log, always("b"))
    assert "not enough evidence" in told.refused[Figure.QUALITY]
    assert "not enough evidence" in told.refused[Figure.UTILITY]
    assert Figure.QUALITY not in told.doubly_robust
    assert holds(told.doubly_robust[Figure.COST], COST[1])


def test_choices_that_had_no_chance_in_the_log_are_refused() -> None:
    log = make_log(5, 500)
    told = told_of(log, always("elsewhere/new"))
    assert set(told.refused) == set(Figure)
    assert "no chance" in told.refused[Figure.COST]


def test_an_empty_log_refuses_everything() -> None:
    told = told_of([], always("a"))
    assert told.decisions == 0
    assert set(told.refused) == set(Figure)


def test_a_target_that_is_no_distribution_is_an_error() -> None:
    fitted = fitted_of(make_log(6, 3), LOGGED, NOW)
    with pytest.raises(ValueError, match="sum to 1"):
        evaluate(fitted, matrix([{"a": 0.5}] * 2, MODELS), OBJECTIVE)
    with pytest.raises(ValueError, match="shape"):
        evaluate(fitted, matrix([], MODELS), OBJECTIVE)


def test_the_logged_policy_does_not_differ_from_itself() -> None:
    told = compare_with(make_log(7, 300), LOGGED)
    assert set(told.difference) == set(Figure)
    for estimate in told.difference.values():
        assert (estimate.low, estimate.mean, estimate.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)


def test_a_difference_is_the_two_means_apart_and_surer_than_they_are() -> None:
    told = compare_with(make_log(8, 4_000), [{"a": 0.7, "b": 0.2, "c": 0.1}, {"a": 0.1, "b": 0.3, "c": 0.6}])
    for figure in (Figure.COST, Figure.QUALITY, Figure.UTILITY):
        target, logged = told.target.doubly_robust[figure], told.logged.doubly_robust[figure]
        assert told.difference[figure].mean == pytest.approx(target.mean - logged.mean)
        assert 2.0 * half(told.difference[figure]) < half(target) + half(logged)


def half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2.0


def test_intervals_of_differences_cover_the_truth_in_about_nineteen_of_twenty_logs() -> None:
    truth = true_quality(2) - sum(P[task][k] * QUALITY[task][k] for task in P for k in range(3)) / 2.0
    told = [compare_with(make_log(seed, 800, scored=0.5), always("c")).difference for seed in range(100)]
    assert 0.9 <= np.mean([holds(each[Figure.QUALITY], truth) for each in told]) <= 0.99
