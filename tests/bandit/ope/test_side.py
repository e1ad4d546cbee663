"""Estimates made of moments are those of the terms of each decision, written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.ope.estimates import CONFIDENCE, SPREAD_WEIGHT, Estimate, Figure
from bandit.ope.estimators import compare
from bandit.ope.logged import Floats, Logged
from bandit.ope.modelled import OUTCOMES, SMALLEST_SCALE, Modelled
from bandit.ope.student import student_quantile
from bandit.types import Objective
from bandit.utility import utility_usd
from tests.support.ope import fitted_of, matrix

MODELS = ("a", "b", "c")
NOW = 1e6
Terms = dict[Figure, Floats]


def a_log(rng: np.random.Generator, size: int, choices: int) -> tuple[list[Logged], Floats]:
    logged = rng.dirichlet(np.ones(3), choices)
    log = []
    for t in range(size):
        choice = int(rng.integers(choices))
        arm = int(rng.choice(3, p=logged[choice]))
        answered, scored = bool(rng.random() < 0.9), bool(rng.random() < 0.6)
        log.append(
            Logged(
                at=float(t),
                task=f"task-{choice % 2}",
                model_id=MODELS[arm],
                choice=choice,
                randomised=True,
                answered=answered,
                cost_usd=0.001 * (arm + 1) * float(rng.uniform(0.5, 1.5)),
                seconds=float(rng.lognormal(0.0, 0.5)),
                score=float(rng.random()) if answered and scored else None,
                scored_at=t + 1.0 if answered and scored else None,
                weight=float(rng.choice([1.0, 0.25])),
            )
        )
    return log, logged


def with_utility(each: Floats, objective: Objective, certain: float) -> Terms:
    terms = dict(zip(OUTCOMES, each, strict=True))
    terms[Figure.UTILITY] = utility_usd(
        objective,
        quality=terms[Figure.QUALITY],
        failed=certain - terms[Figure.SUCCESS],
        cost_usd=terms[Figure.COST],
        seconds=terms[Figure.SECONDS],
    )
    return terms


def modelled_terms(log: Modelled, shares: Floats) -> Floats:
    group = np.repeat(np.arange(len(log.bounds) - 1), np.diff(log.bounds))
    under: Floats = (shares[log.data.choice] * log.expected[:, group]).sum(axis=2)
    return under


def written_out(
    log: Modelled, objective: Objective, delta: Floats, terms: Terms, under: Terms, size: dict[Figure, float]
) -> dict[Figure, Estimate]:
    """Doubly robust estimates, decision by decision."""
    data, count = log.data, len(log.data.arm)
    group = np.repeat(np.arange(len(log.bounds) - 1), np.diff(log.bounds))
    residuals = with_utility(log.residual, objective, certain=0.0)
    expected = dict(zip(OUTCOMES, log.expected, strict=True))
    expected[Figure.UTILITY] = np.sqrt(
        (objective.quality_usd * expected[Figure.QUALITY]) ** 2
        + expected[Figure.COST] ** 2
        + (objective.second_usd * expected[Figure.SECONDS]) ** 2
        + (objective.failure_usd * (1.0 - expected[Figure.SUCCESS])) ** 2
    )
    told = {}
    for figure, each in terms.items():
        scale = (expected[figure][group] ** 2).mean(axis=0) + SMALLEST_SCALE
        usual = scale * (residuals[figure] ** 2).sum() / scale[data.arm].sum()
        variance = under[figure].var()
        for task in range(len(data.tasks)):
            of_task = data.task == task
            for arm in range(len(data.models)):
                of_both = of_task & (data.arm == arm)
                spread = (residuals[figure][of_both] ** 2).sum() + SPREAD_WEIGHT * usual[arm]
                spread /= of_both.sum() + SPREAD_WEIGHT
                chosen = data.choice[of_task]
                variance += spread * (delta[chosen, arm] ** 2 / data.probabilities[chosen, arm]).sum() / count
        told[figure] = interval(each, size[figure], (each.var(ddof=1) + variance) / 2.0)
    return told


def interval(terms: Floats, size: float, variance: float) -> Estimate:
    half = student_quantile(max(size - 1.0, 1.0), 0.5 + CONFIDENCE / 2.0) * float(np.sqrt(variance / len(terms)))
    return Estimate(float(terms.mean()), float(terms.mean()) - half, float(terms.mean()) + half)


def same(told: Estimate, expected: Estimate) -> None:
    found = (told.mean, told.low, told.high)
    assert found == pytest.approx((expected.mean, expected.low, expected.high), rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(150, 400),
    choices=st.integers(2, 40),
    objective=st.builds(
        Objective,
        quality_usd=st.sampled_from([0.0, 0.01, 1.0]),
        second_usd=st.sampled_from([0.0, 0.001]),
        failure_usd=st.sampled_from([0.0, 0.005]),
    ),
)
def test_estimates_are_those_of_the_terms_of_each_decision(
    seed: int, size: int, choices: int, objective: Objective
) -> None:
    rng = np.random.default_rng(seed)
    decisions, logged = a_log(rng, size, choices)
    rows = [dict(zip(MODELS, row, strict=True)) for row in logged.tolist()]
    fitted = fitted_of(decisions, rows, NOW)
    mixed = 0.5 * logged + 0.5 * rng.dirichlet(np.ones(3), choices)
    told = compare(fitted, mixed, objective)
    assert fitted.known is not None
    log, _ = fitted.known
    sides = {}
    for target, evaluation in ((mixed, told.target), (matrix(rows, MODELS), told.logged)):
        ratio = target[log.data.choice, log.data.arm] / log.data.probabilities[log.data.choice, log.data.arm]
        weight = log.seen * ratio
        mean = (weight * log.value).sum(axis=1) / weight.sum(axis=1)
        influence = weight * (log.value - mean[:, None]) * len(log.data.arm) / weight.sum(axis=1)[:, None]
        under = modelled_terms(log, target)
        sizes = dict(zip(OUTCOMES, weight.sum(axis=1) ** 2 / (weight**2).sum(axis=1), strict=True))
        sizes[Figure.UTILITY] = sizes[Figure.QUALITY if objective.quality_usd > 0.0 else Figure.COST]
        ips = with_utility(weight * log.value, objective, certain=1.0)
        snips = with_utility(mean[:, None] + influence, objective, certain=1.0)
        robust = with_utility(under + ratio * log.residual, objective, certain=1.0)
        expected = written_out(log, objective, target, robust, with_utility(under, objective, 1.0), sizes)
        for figure in evaluation.doubly_robust:
            same(evaluation.ips[figure], interval(ips[figure], sizes[figure], float(ips[figure].var(ddof=1))))
            same(evaluation.snips[figure], interval(snips[figure], sizes[figure], float(snips[figure].var(ddof=1))))
            same(evaluation.doubly_robust[figure], expected[figure])
            assert evaluation.effective_size[figure] == pytest.approx(sizes[figure])
        sides[evaluation is told.target] = (under, robust, sizes)
    (mine, my_terms, sizes), (its, its_terms, _) = sides[True], sides[False]
    apart = {figure: my_terms[figure] - its_terms[figure] for figure in my_terms}
    beside = written_out(log, objective, mixed - logged, apart, with_utility(mine - its, objective, 0.0), sizes)
    assert told.difference.keys() == told.target.doubly_robust.keys() & told.logged.doubly_robust.keys()
    for figure, estimate in told.difference.items():
        same(estimate, beside[figure])
