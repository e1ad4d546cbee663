"""Which recorded requests say something about another policy, and what."""

import msgspec
import pytest

from bandit.types import Attempt, Choice, Ending, Epoch, Scores
from gateway.reports.evaluation import logged
from storage.records import DecisionRecord, DecisionView, FeedbackRecord, OutcomeRecord, Status

CHOICE = msgspec.json.decode(
    msgspec.json.encode(
        {
            "algorithm": "1",
            "policy": "uniform",
            "router_id": "rtr_a",
            "snapshot_at": 0.0,
            "context": {"task": "code", "prompt_tokens": 10},
            "objective": {"quality_usd": 1.0, "second_usd": 0.0, "failure_usd": 1.0},
            "price_multiplier": 1.0,
            "temperature": 0.5,
            "exploration": 0.0,
            "relaxed": False,
            "arms": [
                {
                    **dict.fromkeys(
                        ["mean_usd", "deviation_usd", "quality", "quality_deviation", "scores", "success"], 0.5
                    ),
                    **dict.fromkeys(["validity", "cost_usd", "seconds", "low", "high", "p_best", "p_explored"], 0.5),
                    "model_id": model_id,
                    "p": p,
                }
                for model_id, p in (("a/one", 0.25), ("a/two", 0.75))
            ],
        }
    ),
    type=Choice,
)


def attempt(number: int, model_id: str, ending: Ending) -> Attempt:
    return Attempt(number, model_id, 0.25, number == 1, ending, 0.0, 2.0, stream=False, cost_usd=0.5)


def view(
    attempts: tuple[Attempt, ...], *scores: tuple[str, float, float], weights: dict[str, float] | None = None
) -> DecisionView:
    decision = DecisionRecord(
        completion_id="req_1",
        router_id="rtr_a",
        key_id="key_1",
        at=Epoch(10.0),
        choice_digest="d",
        choice=b"",
        algorithm="1",
        policy="uniform",
        task="code",
        drawn_model_id="a/one",
        u=0.1,
        propensity=0.25,
        randomised=True,
        stream=False,
        estimated_prompt_tokens=10,
        request_bytes=100,
    )
    outcome = OutcomeRecord(Status.ANSWERED, Epoch(12.0), 2.0, 0.0, "a/one", 1, 10, 0, 10, 0.5, False, "stop", "", 200)
    feedback = tuple(
        FeedbackRecord(f"fbk_{at}", "req_1", "key_1", False, None, source, score, at) for source, score, at in scores
    )
    by_source = {source: score for source, score, _ in scores}
    current = Scores("rtr_a", "a/one", "code", 12.0, by_source, weights or {})
    return DecisionView(decision, attempts, outcome, feedback, current)


def test_an_answer_counts_with_its_own_cost_and_the_current_scores_of_its_sources() -> None:
    scores = (("user", 0.0, 20.0), ("judge", 0.5, 30.0), ("user", 1.0, 40.0))
    one = logged(view((attempt(1, "a/one", Ending.COMPLETE),), *scores), CHOICE)
    assert not isinstance(one, str)
    assert (one.model_id, one.answered, one.cost_usd, one.seconds) == ("a/one", True, 0.5, 2.0)
    assert one.probabilities == {"a/one": 0.25, "a/two": 0.75}
    assert (one.score, one.scored_at) == (0.75, 40.0)


def test_a_score_of_an_episode_weighs_what_it_does_in_learning() -> None:
    answered = (attempt(1, "a/one", Ending.COMPLETE),)
    one = logged(view(answered, ("user", 1.0, 20.0), weights={"user": 0.25}), CHOICE)
    assert not isinstance(one, str)
    assert (one.score, one.weight) == (1.0, 0.25)


def test_a_first_draw_that_failed_is_its_own_failure_whoever_answered_then() -> None:
    attempts = (attempt(1, "a/one", Ending.TIMEOUT), attempt(2, "a/two", Ending.COMPLETE))
    one = logged(view(attempts, ("user", 1.0, 20.0)), CHOICE)
    assert not isinstance(one, str)
    assert (one.model_id, one.answered, one.score) == ("a/one", False, None)


@pytest.mark.parametrize("ending", [Ending.CLIENT_GONE, Ending.RATE_LIMITED, Ending.MISCONFIGURED, Ending.REJECTED])
def test_what_is_not_the_models_fault_says_nothing(ending: Ending) -> None:
    assert ending in str(logged(view((attempt(1, "a/one", ending),)), CHOICE))


def test_a_request_without_a_call_says_nothing() -> None:
    assert logged(view(()), CHOICE) == "no model was called"
