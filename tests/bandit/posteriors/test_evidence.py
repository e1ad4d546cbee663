"""Evaluations are scores of a source: they count as such, fade, and count less if users disagree."""

from collections.abc import Mapping

import numpy as np
import pytest

from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.statistics import Evidence, Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, RouterSettings

MODELS = ("p/a", "p/b", "p/c", "p/d")
ARMS = [Arm(model, None) for model in MODELS]
SETTINGS = RouterSettings("rtr_a")
HALF_LIFE = SETTINGS.half_lives.quality


def evaluation(scores: Mapping[str, float], rows: float, task: str = "code", at: float = 0.0) -> Evidence:
    """Graded rows: each within .1 of its model's mean."""
    sums = {
        (model, task, Signal.QUALITY): (rows, rows * mean, rows * (mean * mean + 0.01))
        for model, mean in scores.items()
    }
    return Evidence("eval:e", at, sums)


def users(scores: Mapping[str, float], number: float, task: str = "code") -> dict[StatisticKey, Sums]:
    return {
        StatisticKey("rtr_a", model, task, Signal.QUALITY): Sums(
            0.0, HALF_LIFE, number, number * mean, number * (mean * mean + 0.01)
        )
        for model, mean in scores.items()
    }


def known(
    sums: Mapping[StatisticKey, Sums], *evidence: Evidence, at: float = 0.0, former: Snapshot | None = None
) -> Snapshot:
    return take_snapshot(SETTINGS, ARMS, sums, BudgetState(), at, former, evidence)


CARD = dict(zip(MODELS, (0.9, 0.7, 0.5, 0.3), strict=True))


def test_an_evaluation_orders_models_before_any_score_in_its_task_and_in_others() -> None:
    snapshot = known({}, evaluation(CARD, 50.0))
    for task in ("code", "chat"):
        quality, variance = snapshot.quality(task)
        assert (np.diff(quality) < 0.0).all()
        assert (np.array(variance) < known({}).quality(task)[1]).all()
    assert snapshot.quality("code")[0] == pytest.approx([*CARD.values()], abs=0.03)
    assert not snapshot.has_scores, "users have scored nothing"


def test_a_row_of_an_evaluation_tells_what_a_users_score_does_while_nobody_can_disagree() -> None:
    by_users = known(users(CARD, 25.0)).quality("code")
    by_evals = known({}, evaluation(CARD, 25.0)).quality("code")
    assert by_evals[0] == pytest.approx(by_users[0], abs=0.01)


def test_a_mean_of_no_task_moves_the_model_in_every_class() -> None:
    quality, _ = known({}, evaluation(CARD, 20.0, task="")).quality("chat")
    assert quality == pytest.approx([(4 * 0.6 + 20 * score) / 24 for score in CARD.values()], abs=0.03)


def test_an_evaluation_fades_and_one_that_is_withdrawn_leaves_nothing() -> None:
    made = evaluation(CARD, 50.0)
    fresh = known({}, made)
    assert known({}, made, at=HALF_LIFE, former=fresh).counted.of_sources[0].sum() == pytest.approx(
        fresh.counted.of_sources[0].sum() / 2.0, rel=0.2
    )
    assert known({}, former=fresh).quality("code")[0] == known({}).quality("code")[0]


def test_a_source_that_agrees_with_users_keeps_its_weight_and_one_that_misleads_loses_it() -> None:
    agreeing = known(users(CARD, 60.0), evaluation(CARD, 200.0)).counted.trusts["eval:e"]
    wrong = dict(zip(MODELS, (0.4, 0.9, 0.3, 0.8), strict=True))
    misleading = known(users(CARD, 60.0), evaluation(wrong, 200.0)).counted.trusts["eval:e"]
    assert agreeing.weight.min() > 0.5
    assert misleading.weight.max() < 0.05
    assert agreeing.compared == misleading.compared == 240.0


def test_a_source_that_is_lenient_with_all_alike_keeps_its_weight_and_is_moved() -> None:
    lenient = {model: score + 0.08 for model, score in CARD.items()}
    trusted = known(users(CARD, 200.0), evaluation(lenient, 200.0)).counted.trusts["eval:e"]
    assert trusted.weight.min() > 0.3
    assert trusted.offset == pytest.approx(0.08, abs=0.02)


def test_a_source_that_speaks_of_other_classes_cannot_be_compared() -> None:
    trusted = known(users(CARD, 200.0, task="chat"), evaluation(CARD, 50.0)).counted.trusts["eval:e"]
    assert (trusted.compared, trusted.offset) == (0.0, 0.0)


@pytest.mark.parametrize("moments", [(0.0, 0.0, 0.0), (1e9, 1e9, 1e9), (1e-12, 0.0, 0.0), (5.0, 0.0, 0.0)])
def test_no_sums_of_an_evaluation_make_anything_but_finite_figures(moments: tuple[float, float, float]) -> None:
    sums = {
        (model, task, signal): moments
        for model in MODELS
        for task in ("", "code")
        for signal in (Signal.QUALITY, Signal.COST, Signal.COMPLETION_TOKENS)
    }
    for scores in ({}, users(CARD, 40.0)):
        snapshot = known(scores, Evidence("eval:e", 0.0, sums))
        mean, variance = snapshot.quality("code")
        assert np.isfinite(mean).all()
        assert min(variance) > 0.0
        assert np.isfinite(snapshot.completion_tokens("code")[0]).all()


def judged(
    scores: Mapping[str, float], number: float, apart: Mapping[str, float] | None = None
) -> dict[StatisticKey, Sums]:
    """A judge's scores, and how far they are from users' where 20 completions of each model have both."""
    found = users(scores, number)
    found |= {key._replace(signal=Signal.JUDGED_QUALITY): sums for key, sums in found.items()}
    for model, d in (apart or {}).items():
        key = StatisticKey("rtr_a", model, "", Signal.JUDGE_DIFFERENCE)
        found[key] = Sums(0.0, HALF_LIFE, 20.0, 20.0 * d, 20.0 * (d * d + 0.01))
    return found


def test_a_judge_orders_models_where_no_user_has_scored() -> None:
    snapshot = known(judged(CARD, 25.0))
    assert (np.diff(snapshot.quality("code")[0]) < 0.0).all()
    assert snapshot.has_scores


def test_a_judge_that_users_contradict_on_the_same_answers_loses_its_weight() -> None:
    fair = known(judged(CARD, 100.0, dict.fromkeys(MODELS, 0.1))).counted.trusts["judge"]
    unfair = known(judged(CARD, 100.0, dict(zip(MODELS, (0.3, -0.3, 0.2, -0.1), strict=True)))).counted.trusts["judge"]
    assert fair.compared == unfair.compared == 80.0
    assert fair.offset == pytest.approx(0.1, abs=0.02)
    assert fair.weight.min() > 5.0 * unfair.weight.max()


def test_what_a_judge_errs_about_a_model_where_users_have_scored_is_taken_off_in_its_other_classes() -> None:
    overrated = CARD | {"p/d": CARD["p/d"] + 0.4}
    quality, _ = known(_judged_more_than_users(overrated)).quality("chat")
    assert quality == pytest.approx([*CARD.values()], abs=0.1)


def test_a_judge_that_nobody_could_contradict_yet_leaves_more_doubt_than_users_as_many_would() -> None:
    judged_deviation = np.sqrt(known(judged(CARD, 300.0)).quality("code")[1])
    assert (judged_deviation > 3.0 * np.sqrt(known(users(CARD, 300.0)).quality("code")[1])).all()


def test_no_source_makes_users_scores_count_less() -> None:
    wrong = dict(zip(MODELS, (0.1, 0.9, 0.2, 0.8), strict=True))
    snapshot = known(users(CARD, 300.0), evaluation(wrong, 3_000.0))
    assert (snapshot.counted.of_sources >= 0.0).all()
    assert snapshot.quality("code")[0] == pytest.approx([*CARD.values()], abs=0.05)


def _judged_more_than_users(scores: Mapping[str, float]) -> dict[StatisticKey, Sums]:
    """300 scores by a judge alone of each model in each of two classes, and 60 by users in the class code."""
    found = {}
    for task in ("chat", "code"):
        for key, sums in users(scores, 300.0, task).items():
            found[key._replace(signal=Signal.JUDGED_QUALITY)] = found[key] = sums
    for key, sums in users(CARD, 60.0).items():
        found[key] += sums
    return found
