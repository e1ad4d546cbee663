"""The parts of an experiment by what happened: intervals that know of units, and a verdict that bears many looks."""

from dataclasses import replace

import numpy as np
import pytest

from bandit.ope.estimates import Figure
from bandit.ope.parts import TERMS, Floats, PartSums, Verdict, differences_of, figures_of
from bandit.types import Objective

OBJECTIVE = Objective(quality_usd=0.02, second_usd=0.0002, failure_usd=0.005)


def units_of(
    rng: np.random.Generator, count: int, *, cost: float = 0.002, quality: float = 0.7, failing: float = 0.03
) -> Floats:
    """The terms of each unit. Each has a taste and a size of its own, so its requests are alike."""
    taste, requests = rng.normal(0.0, 0.15, count), rng.geometric(0.2, count)
    failed = rng.binomial(requests, failing)
    scored = rng.binomial(requests - failed, 0.5)
    scores = scored * np.clip(rng.normal(quality + taste, 0.1 / np.sqrt(np.maximum(scored, 1))), 0.0, 1.0)
    dollars = cost * np.exp(taste) * rng.gamma(2.0 * requests, 0.5)
    return np.stack([requests, dollars, rng.gamma(4.0 * requests, 0.5), failed, scored, scores], axis=1).astype(float)


def part_of(units: Floats, policy: str = "thompson") -> PartSums:
    return PartSums(policy, len(units), units.sum(axis=0), units.T @ units)


def test_means_are_those_of_all_requests_and_utility_is_composed_of_them() -> None:
    units = units_of(np.random.default_rng(1), 200)
    requests, cost, seconds, failed, scored, quality = units.sum(axis=0)
    told = {figure: each.mean for figure, each in figures_of(part_of(units), OBJECTIVE).items()}
    success, score = 1.0 - failed / requests, quality / scored
    utility = 0.02 * success * score - cost / requests - 0.0002 * seconds / requests - 0.005 * failed / requests
    assert told == pytest.approx(
        {
            Figure.COST: cost / requests,
            Figure.SECONDS: seconds / requests,
            Figure.SUCCESS: success,
            Figure.QUALITY: score,
            Figure.UTILITY: utility,
        }
    )


def test_intervals_of_differences_cover_the_truth_although_the_requests_of_a_unit_are_alike() -> None:
    rng, covered = np.random.default_rng(2), dict.fromkeys(Figure, 0)
    for _ in range(600):
        first, other = part_of(units_of(rng, 300)), part_of(units_of(rng, 60))
        for figure, apart in differences_of(other, first, OBJECTIVE, 1.0).items():
            assert apart.estimate is not None
            covered[figure] += apart.estimate.low <= 0.0 <= apart.estimate.high
    assert all(0.92 <= count / 600 <= 0.985 for count in covered.values()), covered


def test_whoever_looks_every_day_is_told_of_a_difference_that_is_none_in_fewer_than_one_of_twenty() -> None:
    rng, wrong, wrong_by_intervals = np.random.default_rng(3), 0, 0
    for _ in range(80):
        one, other = units_of(rng, 1_200), units_of(rng, 1_200)
        sums = [np.cumsum(each, axis=0) for each in (one, other)]
        products = [np.cumsum(each[:, :, None] * each[:, None, :], axis=0) for each in (one, other)]
        looks = [
            differences_of(
                PartSums("b", n, sums[1][n - 1], products[1][n - 1]),
                PartSums("a", n, sums[0][n - 1], products[0][n - 1]),
                OBJECTIVE,
                1.0,
            )[Figure.COST]
            for n in range(60, 1_201, 60)
        ]
        wrong += any(look.verdict in {Verdict.HIGHER, Verdict.LOWER} for look in looks)
        wrong_by_intervals += any(
            look.estimate is not None and not look.estimate.low <= 0.0 <= look.estimate.high for look in looks
        )
    assert wrong <= 4
    assert wrong_by_intervals > 10, "95% intervals are for one look"


def test_how_many_more_are_needed_is_about_right_and_then_enough_is_known() -> None:
    rng = np.random.default_rng(4)
    first, other = units_of(rng, 4_000), units_of(rng, 4_000, cost=0.0023)
    early = [part_of(units[:150]) for units in (first, other)]
    requests = sum(float(part.totals[0]) for part in early)
    told = differences_of(early[1], early[0], OBJECTIVE, requests)[Figure.COST]
    assert told.verdict is Verdict.UNKNOWN
    assert told.more_requests is not None
    late = [part_of(units) for units in (first, other)]
    assert differences_of(late[1], late[0], OBJECTIVE, 1.0)[Figure.COST].verdict is Verdict.HIGHER
    assert 0 < told.more_requests < 20 * requests
    assert differences_of(late[0], late[1], OBJECTIVE, 1.0)[Figure.COST].verdict is Verdict.LOWER


def test_parts_that_are_level_are_told_to_be() -> None:
    units = units_of(np.random.default_rng(5), 40_000)
    told = differences_of(part_of(units[::2]), part_of(units[1::2]), OBJECTIVE, 1.0)
    assert {each.verdict for each in told.values()} == {Verdict.LEVEL}


def test_few_units_have_means_without_intervals_and_say_what_is_missing() -> None:
    rng = np.random.default_rng(6)
    few, many = part_of(units_of(rng, 12)), part_of(units_of(rng, 100))
    assert all(told.mean is not None and told.interval is None for told in figures_of(few, OBJECTIVE).values())
    for apart in differences_of(few, many, OBJECTIVE, 1_000.0).values():
        assert (apart.estimate, apart.verdict) == (None, Verdict.UNKNOWN)
        assert apart.more_requests is not None
        assert apart.more_requests >= 1_500  # 30 units instead of 12


def test_a_part_without_requests_and_one_without_scores_say_so() -> None:
    nothing = PartSums("b", 0, np.zeros(len(TERMS)), np.zeros((len(TERMS), len(TERMS))))
    units = units_of(np.random.default_rng(7), 100)
    assert all(told.mean is None for told in figures_of(nothing, OBJECTIVE).values())
    assert all(
        apart.more_requests is None for apart in differences_of(nothing, part_of(units), OBJECTIVE, 9.0).values()
    )
    units[:, 4:] = 0.0
    told = figures_of(part_of(units), OBJECTIVE)
    assert (told[Figure.QUALITY].mean, told[Figure.UTILITY].mean) == (None, None)
    assert told[Figure.COST].interval is not None
    without = figures_of(part_of(units), replace(OBJECTIVE, quality_usd=0.0))
    assert without[Figure.UTILITY].mean is not None


def test_neither_no_failure_nor_scores_that_are_all_alike_are_certain() -> None:
    units = units_of(np.random.default_rng(8), 60, failing=0.0)
    units[:, 5] = units[:, 4]
    told = figures_of(part_of(units), OBJECTIVE)
    for figure in (Figure.SUCCESS, Figure.QUALITY):
        interval = told[figure].interval
        assert interval is not None
        assert interval.mean == 1.0
        assert interval.low < 0.999
    apart = differences_of(part_of(units[:30]), part_of(units[30:]), OBJECTIVE, 300.0)[Figure.SUCCESS]
    assert apart.estimate is not None
    assert apart.estimate.low < -0.01
    assert apart.verdict is Verdict.UNKNOWN
