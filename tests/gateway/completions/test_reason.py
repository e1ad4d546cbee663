"""The reason is true of its decision: every figure in it is the decision's, and it varies as the facts vary."""

import re
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.decision import choose
from bandit.draws import draw
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import NO_STEERING, Arm, Attempt, BudgetState, Choice, Context, Draw, Ending, RouterSettings, Steering
from gateway.completions.reason import reason

ARMS = (
    Arm("a/cheap", Price(1e-7, 4e-7, 1e-7)),
    Arm("b/dear", Price(5e-6, 2e-5, 5e-7)),
    Arm("c/mid", Price(1e-6, 4e-6, 1e-7)),
)
CONTEXT = Context("code", 100)


def made(
    scores: float = 0.0,
    multiplier: float = 1.0,
    policy: str = "thompson",
    candidates: tuple[str, ...] = ("a/cheap", "b/dear", "c/mid"),
    left_out: tuple[tuple[str, str], ...] = (),
    steering: Steering = NO_STEERING,
    context: Context = CONTEXT,
) -> Choice:
    sums = {
        StatisticKey("rtr_x", arm.model_id, "code", Signal.QUALITY): Sums(0.0, 1e9, scores, scores * share)
        for arm, share in zip(ARMS, (0.2, 0.9, 0.5), strict=True)
        if scores
    }
    settings = RouterSettings("rtr_x", policy=policy)
    snapshot = take_snapshot(settings, ARMS, sums, BudgetState(multiplier), 0.0)
    return choose(snapshot, context, candidates, steering, left_out)


def said(
    choice: Choice, model_id: str | None = None, attempts: tuple[Attempt, ...] = (), randomised: bool = True
) -> str:
    best = max(choice.arms, key=lambda arm: arm.mean_usd)
    arm = next(arm for arm in choice.arms if arm.model_id == (model_id or best.model_id))
    return reason(choice, Draw(1, 0.5, arm.model_id, arm.p, randomised), attempts)


def test_the_best_is_named_with_its_figures() -> None:
    choice = made(scores=100.0)
    best = max(choice.arms, key=lambda arm: arm.mean_usd)
    text = said(choice)
    assert text.startswith("Short code request: ")
    assert f"{best.model_id} has the best expected value of 3 models" in text
    assert f"quality {best.quality:.2f} from 100 scores" in text


def test_an_exploration_says_its_probability() -> None:
    choice = made(scores=100.0)
    worst = min(choice.arms, key=lambda arm: arm.mean_usd)
    assert f"{worst.model_id} is tried, with probability {worst.p:.2g}, to learn" in said(choice, worst.model_id)


def test_without_scores_cost_and_wait_are_said_to_decide() -> None:
    assert "by cost and wait while nothing is scored (no scores yet" in said(made())


def test_seconds_that_no_answer_has_shown_are_not_said() -> None:
    assert re.search(r"no scores yet, about \$[\d.e-]+\)\.$", said(made()))


def test_seconds_are_said_once_the_model_has_answered_and_of_older_records() -> None:
    choice = made()
    for record in (
        replace(choice, arms=tuple(replace(arm, seconds_known=True) for arm in choice.arms)),
        msgspec.json.decode(re.sub(rb',"seconds_known":false', b"", msgspec.json.encode(choice)), type=Choice),
    ):
        assert re.search(r"about \$[\d.e-]+ and \d+\.\d s\)\.$", said(record))


def test_a_budget_that_presses_is_named() -> None:
    assert "with a dollar counted 3 times to keep to the budget" in said(made(scores=100.0, multiplier=3.0))
    assert "budget" not in said(made(scores=100.0))


def test_the_only_candidate_says_why_the_others_are_none() -> None:
    choice = made(candidates=("b/dear",), left_out=(("a/cheap", "lacks vision"), ("c/mid", "lacks vision")))
    assert "b/dear is the only candidate: a/cheap lacks vision; c/mid lacks vision" in said(choice)


def test_another_policy_is_named() -> None:
    assert "by the policy fixed:c/mid, with probability 1" in said(made(policy="fixed:c/mid"), "c/mid")


def test_a_kept_conversation_is_said_to_be_one() -> None:
    assert "c/mid answered this conversation before" in said(made(scores=9.0), "c/mid", randomised=False)


@pytest.mark.parametrize(
    ("ending", "words"),
    [(Ending.TIMEOUT, "timed out"), (Ending.FAILED, "failed"), (Ending.RATE_LIMITED, "is rate-limited")],
)
def test_a_first_choice_that_failed_is_named_with_why(ending: Ending, words: str) -> None:
    failed = Attempt(1, "a/cheap", 0.5, True, ending, 0.0, 1.0, stream=False)
    text = said(made(), "b/dear", (failed,), randomised=False)
    assert f"a/cheap {words}, so b/dear answers instead" in text


def test_instructions_are_repeated_in_our_words_and_what_was_not_understood_in_theirs() -> None:
    text = said(made(steering=Steering(cost=3.0, words="lower cost ×3", not_understood=("Bitte",))))
    assert "Instructions: lower cost ×3." in text
    assert "Not understood: “Bitte”." in text
    assert "budget" not in text


def test_length_and_class_are_said() -> None:
    assert said(made(context=Context("question_answering", 5_000))).startswith("Long question-answering request: ")


@given(scores=st.floats(0.0, 500.0), multiplier=st.floats(1.0, 50.0), id_=st.uuids())
def test_every_figure_is_the_decisions(scores: float, multiplier: float, id_: object) -> None:
    choice = made(scores=scores, multiplier=multiplier)
    drawn = draw(choice, b"secret", str(id_))
    arm = next(arm for arm in choice.arms if arm.model_id == drawn.model_id)
    text = reason(choice, drawn, ())
    allowed = {
        f"{arm.quality:.2f}",
        f"{arm.scores:.0f}",
        f"{arm.cost_usd:.2g}",
        f"{arm.seconds:.1f}",
        f"{arm.p:.2g}",
        f"{choice.price_multiplier:.2g}",
        str(len(choice.arms)),
    }
    assert set(re.findall(r"\d[\d.]*(?:e[-+]?\d+)?", text.removesuffix("."))) <= allowed


def test_a_source_that_users_disagree_with_is_named_with_what_is_left_of_it() -> None:
    choice = replace(made(scores=100.0), doubted=(("eval:MMLU", 0.12),))
    assert "Scores of eval:MMLU count 12%: users disagree." in said(choice)
