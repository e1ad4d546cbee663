"""A router's snapshot is renewed within 50 ms of a score, and seldom after answers like those before."""

import hashlib
from itertools import product
from math import ceil

import pytest

from bandit.buckets import bucketed
from bandit.decision import choose
from bandit.draws import draw
from bandit.learning import learn_attempt, learn_scores
from bandit.posteriors.news import FIRST_ATTEMPTS, GROWTH
from bandit.posteriors.snapshot import Snapshot
from bandit.replay import replay
from bandit.types import (
    NO_STEERING,
    Arm,
    Attempt,
    BudgetState,
    Choice,
    Context,
    Ending,
    Epoch,
    LoopTime,
    PromptParts,
    RouterSettings,
    Scores,
)
from gateway.routing.definitions import Definition
from gateway.routing.published import MOST_CHOICES, MOST_PREPARED, Published, Question
from gateway.routing.router import (
    BESIDE_SECONDS,
    OLDEST_SECONDS,
    PUBLISH_SECONDS,
    USED_SECONDS,
    LiveRouter,
    RouterState,
)
from gateway.settings.router_options import DEFAULT_OPTIONS

STARTED = 1_700_000_000.0
MODELS = ("p/one", "p/two")
SETTINGS = RouterSettings("rtr_a")
CONTEXT = Context(task="", prompt_tokens=1_000)


@pytest.fixture
def live() -> LiveRouter:
    arms = tuple(Arm(model_id, None) for model_id in MODELS)
    return LiveRouter(Definition(DEFAULT_OPTIONS, SETTINGS, b"s" * 32, {}, arms, STARTED), RouterState())


def published(live: LiveRouter, seconds: float) -> Published:
    """What a request meets at this time."""
    return live.published(Epoch(STARTED + seconds), LoopTime(seconds))


def answer(live: LiveRouter, count: int = 1) -> None:
    attempt = Attempt(
        1, "p/one", 1.0, True, Ending.COMPLETE, STARTED, 2.0, False, 0.001, prompt_tokens=1_000, completion_tokens=200
    )
    for _ in range(count):
        live.state.add(
            learn_attempt(live.renewed(Epoch(STARTED), LoopTime(0.0)).snapshot, CONTEXT, attempt, STARTED, None)
        )


def score(live: LiveRouter, score: float) -> None:
    before, after = (Scores("rtr_a", "p/one", "", STARTED, given) for given in ({}, {"user": score}))
    live.state.add(learn_scores(before, after, SETTINGS.half_lives.quality))


def probability(published: Published) -> float:
    """That of the first model."""
    return published.choose(CONTEXT, MODELS, NO_STEERING, ()).choice.arms[0].p


def test_a_score_moves_the_decision_50_ms_later_however_much_is_known(live: LiveRouter) -> None:
    answer(live, 1_000)
    before = published(live, 1.0)
    score(live, 0.0)
    assert published(live, 1.0 + 0.9 * PUBLISH_SECONDS) is before
    after = published(live, 1.0 + PUBLISH_SECONDS)
    assert probability(after) < probability(before)


def test_a_budget_moves_the_decision_50_ms_later(live: LiveRouter) -> None:
    published(live, 1.0)
    live.state.add({}, BudgetState(2.0))
    assert published(live, 1.0 + PUBLISH_SECONDS).snapshot.budget.multiplier == 2.0


def test_answers_like_those_before_move_it_when_they_are_half_as_many_again(live: LiveRouter) -> None:
    answer(live, 1_000)
    before = published(live, 1.0)
    answer(live, 50)
    assert published(live, 2.0) is before
    answer(live, ceil((1_000 + FIRST_ATTEMPTS) * GROWTH) - 50)
    assert published(live, 2.0).snapshot.outcomes.sum() > before.snapshot.outcomes.sum()


def test_a_snapshot_is_used_for_half_a_minute_at_most_after_anything_was_learned(live: LiveRouter) -> None:
    answer(live, 1_000)
    before = published(live, 1.0)
    assert published(live, 1_000.0) is before, "nothing was learned"
    answer(live)
    assert published(live, 1.0 + OLDEST_SECONDS) is not before


def test_whoever_asks_for_the_newest_gets_it(live: LiveRouter) -> None:
    answer(live, 1_000)
    published(live, 1.0)
    answer(live)
    assert live.renewed(Epoch(STARTED), LoopTime(2.0)).snapshot.outcomes.sum() == 1_001


def test_it_is_renewed_beside_the_requests_while_there_are_some(live: LiveRouter) -> None:
    assert live.renewal_at(LoopTime(0.0)) is None, "nobody has asked yet"
    answer(live, 1_000)
    published(live, 1.0)
    answer(live)
    assert live.renewal_at(LoopTime(1.0)) == 1.0 + BESIDE_SECONDS
    score(live, 1.0)
    assert live.renewal_at(LoopTime(1.0)) == 1.0 + PUBLISH_SECONDS
    assert live.renewal_at(LoopTime(1.1 + USED_SECONDS)) is None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Context]:
    """The contexts of the choices that are computed, in order."""
    made: list[Context] = []

    def counted(snapshot: Snapshot, *question: *Question) -> Choice:
        made.append(question[0])
        return choose(snapshot, *question)

    monkeypatch.setattr("gateway.routing.published.choose", counted)
    return made


def test_the_recurring_choices_that_were_made_last_are_there_before_anybody_asks(
    live: LiveRouter, made: list[Context]
) -> None:
    contexts = [Context(task="", prompt_tokens=10 * number) for number in range(1, MOST_PREPARED + 3)]
    first = published(live, 1.0)
    for context in contexts * 2:
        first.choose(context, MODELS, NO_STEERING, ())
    score(live, 1.0)
    live.renew(Epoch(STARTED + 2.0), LoopTime(2.0))
    made.clear()
    second = published(live, 2.0)
    for context in contexts:
        cached = second.choose(context, MODELS, NO_STEERING, ())
        assert cached.choice.snapshot_at == STARTED + 2.0
        assert replay(cached.choice, draw(cached.choice, b"s" * 32, "req_1")).identical
    assert made == contexts[:-MOST_PREPARED]


def test_a_question_that_is_asked_once_of_each_snapshot_is_prepared_from_the_third_on(
    live: LiveRouter, made: list[Context]
) -> None:
    asked = []
    for seconds in (1.0, 2.0, 3.0, 4.0):
        published(live, seconds).choose(CONTEXT, MODELS, NO_STEERING, ())
        asked.append(len(made))
        score(live, 1.0)
        live.renew(Epoch(STARTED + seconds + 0.5), LoopTime(seconds + 0.5))
    assert asked == [1, 2, 3, 4], "the third was made before it was asked for"
    assert len(made) == 5


def test_questions_that_were_asked_once_alone_are_not_prepared(live: LiveRouter, made: list[Context]) -> None:
    for number in (1, 2, 3):
        published(live, float(number)).choose(Context("", 10 * number), MODELS, NO_STEERING, ())
        score(live, 1.0)
        live.renew(Epoch(STARTED + number + 0.5), LoopTime(number + 0.5))
    assert [context.prompt_tokens for context in made] == [10, 20, 30]


def test_recurring_choices_that_nobody_asks_for_are_prepared_anew_each_time(live: LiveRouter) -> None:
    for _ in range(2):
        probability(published(live, 1.0))
    for seconds in (2.0, 3.0):
        score(live, 1.0)
        live.renew(Epoch(STARTED + seconds), LoopTime(seconds))
    assert len(published(live, 3.0)._prepared) == 1


def test_no_choice_is_encoded_before_a_request_uses_it(live: LiveRouter) -> None:
    cached = published(live, 1.0).choose(CONTEXT, MODELS, NO_STEERING, ())
    assert not {"record", "choice_digest"} & vars(cached).keys()
    assert cached.record is cached.record


def test_the_digest_of_a_choice_is_that_of_its_whole_record(live: LiveRouter) -> None:
    cached = published(live, 1.0).choose(CONTEXT, MODELS, NO_STEERING, (("p/none", "x" * 5_000),))
    assert cached.choice_digest == hashlib.blake2b(cached.record, digest_size=16).hexdigest()


def test_no_more_choices_are_kept_than_so_many(live: LiveRouter) -> None:
    first = published(live, 1.0)
    for number in range(MOST_CHOICES + 10):
        first.choose(CONTEXT, MODELS, NO_STEERING, (("p/none", str(number)),))
    assert len(first._choices) == MOST_CHOICES


def test_a_plain_question_has_the_choice_of_its_bucket(live: LiveRouter, made: list[Context]) -> None:
    first = published(live, 1.0)
    for tokens, max_tokens, stream in 2 * [*product((90, 91, 300), (None, 64, 65), (False, True))]:
        cached = first.choose_plainly("chat", tokens, max_tokens, stream, MODELS)
        context = bucketed("chat", PromptParts(tokens), max_tokens=max_tokens, stream=stream, wants_json=False)
        assert cached is first.choose(context, MODELS, NO_STEERING, ())
        assert cached.choice.context == context
    assert len(made) == 8, "two lengths, two limits, streams or not"
    assert len(set(made)) == 8


def test_a_plain_question_that_recurs_is_prepared(live: LiveRouter, made: list[Context]) -> None:
    first = published(live, 1.0)
    for tokens in (90, 300, 90):
        first.choose_plainly("chat", tokens, None, False, MODELS)
    score(live, 1.0)
    live.renew(Epoch(STARTED + 2.0), LoopTime(2.0))
    assert [context.prompt_tokens for context in made] == [91, 256, 91]


def test_no_more_plain_questions_are_kept_than_so_many(live: LiveRouter) -> None:
    first = published(live, 1.0)
    for tokens in range(1, MOST_CHOICES + 10):
        first.choose_plainly("chat", tokens, None, False, MODELS)
    assert len(first._plain) <= MOST_CHOICES
