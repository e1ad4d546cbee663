"""A model that suddenly gets worse is noticed within tens of scores, however much good was known of it before."""

import numpy as np
import pytest

from bandit.learning import learn_scores, merge
from bandit.posteriors.quality import WINDOWS, quality_posterior
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, RouterSettings, Scores

START = 1_700_000_000.0
SETTINGS = RouterSettings("rtr_a")
ARMS = [Arm(name, Price(1e-6, 2e-6, 1e-6)) for name in ("p/a", "p/b")]


def scored(
    scores: list[float], apart_seconds: float, model_id: str = "p/a", tasks: tuple[str, ...] = ("code",)
) -> Snapshot:
    """What is known after these scores of one model, one after the other, in these classes in turn."""
    sums: dict[StatisticKey, Sums] = {}
    at = START
    for number, score in enumerate(scores):
        at = START + number * apart_seconds
        task = tasks[number % len(tasks)]
        before, after = Scores("rtr_a", model_id, task, at), Scores("rtr_a", model_id, task, at, {"user": score})
        merge(sums, learn_scores(before, after, SETTINGS.half_lives.quality))
    return take_snapshot(SETTINGS, ARMS, sums, BudgetState(), at)


def quality(snapshot: Snapshot) -> float:
    """The expected score of the first model."""
    return float(snapshot.quality("code")[0][0])


def test_a_busy_router_notices_a_drop_within_thirty_scores() -> None:
    before = [1.0, 1.0, 1.0, 0.0] * 150
    assert quality(scored(before, 60.0)) > 0.7
    assert quality(scored(before + [0.0] * 30, 60.0)) < 0.3


def test_a_busy_router_whose_scores_vary_little_notices_a_drop_within_eight() -> None:
    assert quality(scored([0.9, 0.95] * 400 + [0.45, 0.48] * 4, 10.0)) < 0.75


def test_a_model_that_falls_to_what_is_expected_of_an_unknown_one_is_noticed_over_many_classes() -> None:
    tasks = ("code", *(f"task-{number}" for number in range(8)))
    assert quality(scored([0.9, 0.95] * 36 + [0.5, 0.6] * 6, 120.0, tasks=tasks)) < 0.75


def test_a_quiet_router_notices_a_drop_too() -> None:
    """Half an hour between scores: the fastest window is empty, the slower one tells."""
    before = [1.0, 1.0, 1.0, 0.0] * 150
    assert quality(scored(before + [0.0] * 60, 1_800.0)) < 0.3


def test_steady_scores_keep_the_weight_of_all_of_them() -> None:
    steady = [1.0, 1.0, 1.0, 0.0] * 150
    deviation = float(scored(steady, 10.0).quality("code")[1][0]) ** 0.5
    assert deviation < 0.02


def test_a_few_bad_scores_are_no_change() -> None:
    before = [1.0, 1.0, 1.0, 0.0] * 150
    assert quality(scored([*before, 0.0, 0.0, 0.0], 10.0)) > 0.7


def known(cells: dict[tuple[str, str], tuple[float, float]]) -> Snapshot:
    """What is known after so many coin flips with so many heads, by model and class."""
    sums = {
        StatisticKey("rtr_a", model_id, task, Signal.QUALITY): Sums(START, 1e9, number, heads, heads)
        for (model_id, task), (number, heads) in cells.items()
    }
    return take_snapshot(SETTINGS, ARMS, sums, BudgetState(), START)


def test_a_model_that_is_asked_the_hard_questions_is_not_worse_for_it() -> None:
    """Simpson's paradox: a is better in both classes, and has the smaller share of good answers in all."""
    snapshot = known(
        {("p/a", "easy"): (40, 36), ("p/a", "hard"): (360, 144), ("p/b", "easy"): (360, 288), ("p/b", "hard"): (40, 12)}
    )
    for task in ("easy", "hard"):
        a, b = snapshot.quality(task)[0]
        assert a > b


def test_a_class_without_scores_of_a_model_is_judged_by_the_model_and_by_the_class() -> None:
    snapshot = known({("p/a", "easy"): (100, 90), ("p/a", "hard"): (100, 30), ("p/b", "easy"): (100, 80)})
    hard = snapshot.quality("hard")[0][1]
    assert hard < snapshot.quality("easy")[0][1] - 0.2


def test_models_whose_strengths_differ_by_class_are_told_apart_in_each() -> None:
    snapshot = known(
        {("p/a", "code"): (40, 36), ("p/a", "chat"): (40, 8), ("p/b", "code"): (40, 8), ("p/b", "chat"): (40, 36)}
    )
    code, chat = snapshot.quality("code")[0], snapshot.quality("chat")[0]
    assert code[0] > code[1] + 0.4
    assert chat[1] > chat[0] + 0.4


def test_graded_scores_tell_more_than_flips_with_the_same_mean() -> None:
    key = StatisticKey("rtr_a", "p/a", "code", Signal.QUALITY)
    graded = take_snapshot(SETTINGS, ARMS, {key: Sums(START, 1e9, 50.0, 30.0, 18.5)}, BudgetState(), START)
    assert graded.quality("code")[1][0] < 0.5 * known({("p/a", "code"): (50, 30)}).quality("code")[1][0]


@pytest.mark.parametrize("drops", [False, True], ids=["steady", "a change"])
def test_several_routers_at_once_are_each_as_alone(drops: bool) -> None:
    draws = np.random.default_rng(7)
    weight = draws.gamma(2.0, 20.0, (6, 3, 4))
    scores = np.array([weight, 0.7 * weight, 0.6 * weight])
    fading = 4.0 ** -np.arange(1, len(WINDOWS) + 1)[:, None, None, None]
    windows = fading * scores[:2, None]
    if drops:
        windows[1, :, 2, 1] = 0.0  # one model of one router answers nothing rightly of late
    mean, strength = draws.uniform(0.3, 0.9, (6, 3)), draws.uniform(2.0, 30.0, (6, 3))
    together = quality_posterior(scores, windows, mean, strength)
    for router in range(6):
        alone = quality_posterior(scores[:, router], windows[:, :, router], mean[router], strength[router])
        assert (alone.scores.sum() < weight[router].sum() - 1.0) == (drops and router == 2)
        for column in range(4):
            for ours, theirs in zip(together.of(column), alone.of(column), strict=True):
                np.testing.assert_allclose(ours[router], theirs, rtol=1e-12)
        np.testing.assert_allclose(together.scores[router], alone.scores, rtol=1e-12)
