"""A model that suddenly gets worse is noticed within tens of scores, however much good was known of it before."""

from bandit.learning import learn_scores, merge
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.types import Arm, BudgetState, RouterSettings, Scores, StatisticKey, Sums

START = 1_700_000_000.0
SETTINGS = RouterSettings("rtr_a")
ARMS = [Arm(name, Price(1e-6, 2e-6, 1e-6)) for name in ("p/a", "p/b")]


def scored(scores: list[float], apart_seconds: float, model_id: str = "p/a") -> Snapshot:
    """What is known after these scores, one after the other, of one model in one class."""
    sums: dict[StatisticKey, Sums] = {}
    at = START
    for number, score in enumerate(scores):
        at = START + number * apart_seconds
        before = Scores("rtr_a", model_id, "code", at)
        after = Scores("rtr_a", model_id, "code", at, {"user": score})
        merge(sums, learn_scores(before, after, SETTINGS.half_lives.quality))
    return take_snapshot(SETTINGS, ARMS, sums, BudgetState(), at)


def quality(snapshot: Snapshot) -> float:
    """The expected score of the first model."""
    return float(snapshot.quality("code")[0][0])


def test_a_busy_router_notices_a_drop_within_thirty_scores() -> None:
    before = [1.0, 1.0, 1.0, 0.0] * 150
    assert quality(scored(before, 60.0)) > 0.7
    assert quality(scored(before + [0.0] * 30, 60.0)) < 0.3


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
