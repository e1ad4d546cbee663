"""A score of an episode reaches what its key has recorded in it so far, and weighs one in all."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.errors import CompletionNotFound, NoAnswerToScore, TooManyCompletions
from storage.maintenance.fold import HalfLives, fold
from storage.records import CompletionRecord, FeedbackReceipt, FeedbackRecord, Status
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.episodes import MOST_COMPLETIONS
from storage.writing.transaction import Transactions
from tests.support.records import RecordMaker, RunningWriter, assert_same_sums, half_life, learn_scores, pace

EPISODE = "run 7"


def quality(database: Database, model_id: str = "m/one", router_id: str = "rtr_a") -> tuple[float, float]:
    sums = Arms(database).sums(router_id).get(StatisticKey(router_id, model_id, "code", Signal.QUALITY))
    return (0.0, 0.0) if sums is None else (round(sums.weight, 3), round(sums.total, 3))


def scored(making: RecordMaker, score: float, episode_id: str = EPISODE, **fields: str) -> tuple[FeedbackRecord]:
    return (making.score("", score, episode_id=episode_id, **fields),)  # type: ignore[arg-type]  # all are text


def statuses(receipts: tuple[FeedbackReceipt, ...]) -> list[str]:
    return [receipt.status.value for receipt in receipts]


def ids(*records: CompletionRecord) -> list[str]:
    return [record.decision.completion_id for record in records]


def assert_sums_equal_the_fold(database: Database, router_id: str | None = None) -> None:
    with database.read() as connection:
        folded = fold(connection, HalfLives(half_life), learn_scores, router_id)
    assert_same_sums(Arms(database).sums(router_id), folded)


def test_a_score_of_an_episode_weighs_one_in_all(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    run = [making.completion(model_id=f"m/{name}", episode_id=EPISODE) for name in ("one", "two", "one", "three")]
    receipts = running.write(making.completion(), *run, scored(making, 0.8))[-1]
    assert [receipt.completion_id for receipt in receipts] == ids(*run)
    assert [(receipt.index, receipt.model_id) for receipt in receipts] == [
        (0, "m/one"),
        (0, "m/two"),
        (0, "m/one"),
        (0, "m/three"),
    ]
    assert statuses(receipts) == ["recorded"] * 4
    assert (quality(database), quality(database, "m/two")) == ((0.5, 0.4), (0.25, 0.2))
    assert_sums_equal_the_fold(database)


def test_a_repeat_counts_once_and_a_correction_replaces(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    run = [making.completion(episode_id=EPISODE) for _ in range(2)]
    first, again, corrected = scored(making, 0.8), scored(making, 0.8), scored(making, 0.2)
    results = running.write(*run, first, again, corrected)[2:]
    assert [statuses(receipts) for receipts in results] == [["recorded"] * 2, ["unchanged"] * 2, ["updated"] * 2]
    assert quality(database) == (1.0, 0.2)
    assert_sums_equal_the_fold(database)


def test_a_completion_that_comes_after_the_score_counts_from_the_next_score_on(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    early, late = (making.completion(episode_id=EPISODE, model_id=f"m/{name}") for name in ("one", "two"))
    running.write(early, scored(making, 1.0))
    running.write(late)
    assert (quality(database), quality(database, "m/two")) == ((1.0, 1.0), (0.0, 0.0))
    receipts = running.write(scored(making, 1.0))[0]
    assert statuses(receipts) == ["updated", "recorded"]
    assert (quality(database), quality(database, "m/two")) == ((0.5, 0.5), (0.5, 0.5))
    assert_sums_equal_the_fold(database)


def test_a_completion_s_own_score_keeps_its_weight_beside_that_of_its_episode(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    run = [making.completion(episode_id=EPISODE) for _ in range(4)]
    own = (making.score(run[0].decision.completion_id, 0.0),)
    running.write(*run, own, scored(making, 1.0, source="run"))
    assert quality(database) == (1.75, round(0.25 / 1.25 + 0.75, 3))
    assert_sums_equal_the_fold(database)


def test_another_key_s_episode_of_the_same_name_is_another(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    mine = making.completion(episode_id=EPISODE)
    theirs = making.completion(episode_id=EPISODE, key_id="key_2", model_id="m/two")
    running.write(mine, theirs)
    everywhere = (making.score("", 1.0, episode_id=EPISODE, any_key=True),)
    assert [receipt.completion_id for receipt in running.write(everywhere)[0]] == ids(mine)
    assert quality(database, "m/two") == (0.0, 0.0)
    stranger = (making.score("", 1.0, episode_id=EPISODE, key_id="key_3", any_key=True),)
    assert isinstance(running.submit(stranger).exception(60), CompletionNotFound)


def test_calls_without_an_answer_are_left_out_and_an_episode_of_such_cannot_be_scored(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    failed = [making.completion(episode_id=EPISODE, status=status) for status in (Status.FAILED, Status.REJECTED)]
    running.write(*failed)
    assert isinstance(running.submit(scored(making, 1.0)).exception(60), NoAnswerToScore)
    answered = [making.completion(episode_id=EPISODE, status=Status.PARTIAL), making.completion(episode_id=EPISODE)]
    running.write(*answered)
    assert [receipt.completion_id for receipt in running.write(scored(making, 1.0))[0]] == ids(*answered)
    assert quality(database) == (1.0, 1.0)


def test_a_list_with_an_unknown_episode_counts_nothing_and_names_it(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion(episode_id=EPISODE)
    running.write(record)
    mixed = (making.score(record.decision.completion_id, 1.0), *scored(making, 1.0), *scored(making, 1.0, "other"))
    error = running.submit(mixed).exception(60)
    assert isinstance(error, CompletionNotFound)
    assert error.index == 2
    assert quality(database) == (0.0, 0.0)


def test_one_list_scores_at_most_a_thousand_completions(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    run = [making.completion(episode_id=EPISODE) for _ in range(MOST_COMPLETIONS)]
    running.write(*run)
    assert len(running.write(scored(making, 0.5))[0]) == MOST_COMPLETIONS
    assert quality(database)[1] == pytest.approx(0.5, abs=0.01)
    twice = (*scored(making, 0.5), making.score(run[0].decision.completion_id, 1.0))
    error = running.submit(twice).exception(60)
    assert isinstance(error, TooManyCompletions)
    assert error.index == 1
    running.write(making.completion(episode_id=EPISODE))
    assert isinstance(running.submit(scored(making, 0.5)).exception(60), TooManyCompletions)


def test_an_episode_s_comment_is_kept_once(database: Database, running: RunningWriter, making: RecordMaker) -> None:
    run = [making.completion(episode_id=EPISODE) for _ in range(3)]
    running.write(*run, scored(making, 0.5, comment="fine"), scored(making, 0.5, comment="fine"))
    views = [Ledger(database).decision(completion_id) for completion_id in ids(*run)]
    assert [[given.comment for given in view.feedback] for view in views if view] == [["fine"], [None], [None]]


def test_a_score_that_is_written_again_after_an_unknown_commit_counts_once(
    database: Database, making: RecordMaker
) -> None:
    batches = Transactions(database, learn_scores, pace)
    run = [making.completion(episode_id=EPISODE) for _ in range(3)]
    first = scored(making, 0.4)
    written = batches.write([*run, first])
    batches.write([(making.score(run[1].decision.completion_id, 1.0),)])  # by another process, meanwhile
    again = batches.write([*run, first], again=True)
    assert again.results[:3] == written.results[:3]
    assert isinstance(again.results[3], tuple)
    assert statuses(again.results[3]) == ["recorded"] * 3
    assert (again.recorded, again.deltas) == (0, {})
    batches.close()
    assert_sums_equal_the_fold(database)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("completion"), st.sampled_from("ab")),
        st.tuples(st.just("own"), st.integers(0, 5), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from("uj")),
        st.tuples(st.just("episode"), st.sampled_from("ab"), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from("uj")),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(steps)
def test_whatever_is_scored_in_whatever_order_the_statistics_are_those_of_the_current_scores(
    shared_ledger: tuple[Database, RunningWriter, RecordMaker], steps_: list[tuple[str, ...]]
) -> None:
    database, running, making = shared_ledger
    number = making.number()
    router_id = f"rtr_{number}"
    run: list[tuple[str, CompletionRecord]] = []
    current: list[dict[str, tuple[float, float]]] = []  # of each completion, by source: score and weight
    for kind, where, *of_score in steps_:
        if kind == "completion":
            run.append((where, making.completion(router_id, episode_id=f"{number}{where}")))
            current.append({})
            running.write(run[-1][1])
            continue
        score, source = float(of_score[0]), of_score[1]
        if kind == "own":
            if int(where) < len(run):
                running.write((making.score(run[int(where)][1].decision.completion_id, score, source=source),))
                current[int(where)][source] = (score, 1.0)
            continue
        members = [at for at, (name, _) in enumerate(run) if name == where]
        if members:
            running.write((making.score("", score, source=source, episode_id=f"{number}{where}"),))
            for at in members:
                current[at][source] = (score, 1.0 / len(members))
    assert_sums_equal_the_fold(database, router_id)
    found = Arms(database).sums(router_id).get(StatisticKey(router_id, "m/one", "code", Signal.QUALITY))
    expected = Sums(0.0, math.inf, 0.0)
    for (_, record), scores in zip(run, current, strict=True):
        if scores and found is not None:
            total = sum(weight for _, weight in scores.values())
            mean = sum(score * weight for score, weight in scores.values()) / total
            faded = 0.5 ** ((found.at - record.outcome.ended_at) / found.half_life)
            weight = faded * max(weight for _, weight in scores.values())
            expected += Sums(0.0, math.inf, weight, weight * mean)
    if any(current):
        assert found is not None
        assert found.weight == pytest.approx(expected.weight, rel=1e-9, abs=1e-9)
        assert found.total == pytest.approx(expected.total, rel=1e-9, abs=1e-9)
