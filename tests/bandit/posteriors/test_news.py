"""A snapshot is renewed at once after a score or a failure, else when outcomes have grown by a constant factor."""

from dataclasses import replace

import pytest

from bandit.learning import learn_attempt, learn_scores, learn_validity, merge
from bandit.posteriors.news import FIRST_ATTEMPTS, GROWTH, News
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.statistics import Deltas, Signal, StatisticKey, Sums
from bandit.types import Arm, Attempt, BudgetState, Context, Ending, RouterSettings, Scores

NOW = 1_700_000_000.0
MODEL = "p/one"
SETTINGS = RouterSettings("rtr_a")
CONTEXT = Context(task="", prompt_tokens=1_000)
BUDGET = BudgetState()
KNOWN = 100


def answer(ending: Ending = Ending.COMPLETE) -> Deltas:
    attempt = Attempt(1, MODEL, 1.0, True, ending, NOW, 2.0, False, 0.001, prompt_tokens=1_000, completion_tokens=200)
    return learn_attempt(taken({}), CONTEXT, attempt, NOW, None)


def taken(sums: dict[StatisticKey, Sums]) -> Snapshot:
    return take_snapshot(SETTINGS, (Arm(MODEL, None),), sums, BUDGET, NOW)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    """A snapshot that knows `KNOWN` answers."""
    sums: dict[StatisticKey, Sums] = {}
    for _ in range(KNOWN):
        merge(sums, answer())
    return taken(sums)


def test_six_answers_are_worth_a_snapshot_at_first() -> None:
    news = News()
    for came in range(6):
        assert not news.outdates(taken({}), BUDGET), f"after {came}"
        news.add(answer())
    assert news.outdates(taken({}), BUDGET)


def test_answers_like_those_before_are_worth_one_when_they_are_half_as_many_again(snapshot: Snapshot) -> None:
    news, came = News(), 0
    while not news.outdates(snapshot, BUDGET):
        news.add(answer())
        came += 1
    assert came - 1 < GROWTH * (KNOWN + FIRST_ATTEMPTS) <= came


@pytest.mark.parametrize(
    "deltas",
    [
        learn_scores(Scores("rtr_a", MODEL, "", NOW), Scores("rtr_a", MODEL, "", NOW, {"user": 0.5}), 60.0),
        learn_validity(taken({}), MODEL, valid=False, at=NOW),
        answer(Ending.FAILED),
        answer(Ending.TIMEOUT),
    ],
    ids=["score", "invalid", "failed", "timeout"],
)
def test_a_score_and_a_failure_are_worth_one_at_once(snapshot: Snapshot, deltas: Deltas) -> None:
    news = News()
    news.add(deltas)
    assert news.outdates(snapshot, BUDGET)


def test_a_valid_answer_is_not(snapshot: Snapshot) -> None:
    news = News()
    news.add(learn_validity(snapshot, MODEL, valid=True, at=NOW))
    assert not news.outdates(snapshot, BUDGET)


@pytest.mark.parametrize(("multiplier", "worth"), [(1.005, False), (1.02, True)])
def test_a_budget_is_worth_one_when_the_price_of_a_dollar_has_moved(
    snapshot: Snapshot, multiplier: float, worth: bool
) -> None:
    assert News().outdates(snapshot, BudgetState(multiplier)) is worth


@pytest.mark.parametrize("ending", [Ending.COMPLETE, Ending.FAILED])
def test_rows_that_another_process_has_replaced_tell_what_it_learned(ending: Ending) -> None:
    sums: dict[StatisticKey, Sums] = {}
    for _ in range(KNOWN):
        merge(sums, answer())
    grown = dict(sums)
    merge(grown, {key: replace(delta, at=NOW + 60.0) for key, delta in answer(ending).items()})
    news = News()
    news.note_replaced(sums, grown)
    assert news.outcomes == pytest.approx(1.0)
    assert news.pressing == (ending is Ending.FAILED)


def test_every_signal_is_known_to_be_pressing_or_not() -> None:
    """A new signal that every answer has must be added to the routine ones, or each answer takes a snapshot."""
    news = News()
    news.add({key: sums for key, sums in answer().items() if key.signal is not Signal.OUTCOMES})
    assert (news.outcomes, news.pressing) == (0.0, False)
