"""Who may score what, what counts, and what changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.statistics import Signal, StatisticKey
from storage.database.engine import Database
from storage.errors import CompletionNotFound, NoAnswerToScore, TooManyCorrections, TooManySources
from storage.records import FeedbackStatus, Status
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.scores import MOST_CORRECTIONS
from storage.writing.transaction import Transactions
from tests.support.records import RecordMaker, RunningWriter, learn_scores, pace

QUALITY = StatisticKey("rtr_a", "m/one", "code", Signal.QUALITY)


def quality(database: Database) -> tuple[float, float]:
    sums = Arms(database).sums().get(QUALITY)
    return (0.0, 0.0) if sums is None else (round(sums.weight, 12), round(sums.total, 12))


def test_a_score_of_a_completion_in_the_same_batch_is_taken(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    futures = [running.submit(record), running.submit((making.score(record.decision.completion_id, 0.8),))]
    receipt = futures[1].result(60)[0]
    assert (receipt.completion_id, receipt.router_id, receipt.model_id) == (
        record.decision.completion_id,
        "rtr_a",
        "m/one",
    )
    assert (receipt.source, receipt.score, receipt.status) == ("user", 0.8, FeedbackStatus.RECORDED)
    assert quality(database) == (1.0, 0.8)


def test_a_changed_mind_takes_the_old_score_back(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    first, second = making.score(record.decision.completion_id, 0.25), making.score(record.decision.completion_id, 1.0)
    results = running.write(record, (first,), (second,))
    assert [receipt.status for result in results[1:] for receipt in result] == ["recorded", "updated"]
    assert quality(database) == (1.0, 1.0)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert [given.score for given in view.feedback] == [0.25, 1.0]


def test_a_repeat_is_unchanged_and_has_the_first_ones_id(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    first = making.score(record.decision.completion_id, 0.5)
    running.write(record, (first,))
    receipt = running.write((making.score(record.decision.completion_id, 0.5),))[0][0]
    assert (receipt.id, receipt.status) == (first.id, FeedbackStatus.UNCHANGED)
    assert quality(database) == (1.0, 0.5)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert len(view.feedback) == 1


def test_a_new_comment_on_the_same_score_is_kept_and_counts_nothing(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    running.write(record, (making.score(record.decision.completion_id, 0.5),))
    for _ in range(2):
        receipt = running.write((making.score(record.decision.completion_id, 0.5, comment="because"),))[0][0]
        assert receipt.status == FeedbackStatus.UNCHANGED
    assert quality(database) == (1.0, 0.5)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert [given.comment for given in view.feedback] == [None, "because"]


def test_a_completion_weighs_one_whatever_the_number_of_its_sources(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    running.write(record, (making.score(record.decision.completion_id, 0.2, source="user"),))
    running.write(
        (
            making.score(record.decision.completion_id, 0.6, source="judge"),
            making.score(record.decision.completion_id, 1.0),
        )
    )
    assert quality(database) == (1.0, 0.8)


def test_the_ninth_source_of_a_completion_is_refused(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    running.write(record)
    eight = tuple(making.score(record.decision.completion_id, 0.5, source=f"s{number}") for number in range(8))
    running.write(eight)
    ninth = running.submit(
        (making.score(record.decision.completion_id, 0.1), making.score(record.decision.completion_id, 0.1))
    )
    error = ninth.exception(60)
    assert isinstance(error, TooManySources)
    assert error.index == 0
    again = making.score(record.decision.completion_id, 0.7, source="s3")
    assert running.write((again,))[0][0].status == FeedbackStatus.UPDATED


def test_a_completion_is_corrected_200_times_and_repeats_go_on(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    running.write(record)
    wishes = [making.score(record.decision.completion_id, number / 1_000) for number in range(1 + MOST_CORRECTIONS)]
    for start in range(0, len(wishes), 50):  # in lists and alone
        running.write(tuple(wishes[start : start + 40]), *((wish,) for wish in wishes[start + 40 : start + 50]))
    for more in (making.score(record.decision.completion_id, 0.9), making.score(record.decision.completion_id, 0.9)):
        error = running.submit((wishes[-1], more)).exception(60)
        assert isinstance(error, TooManyCorrections)
        assert error.index == 1
    repeated = running.write((making.score(record.decision.completion_id, wishes[-1].score),))[0][0]
    assert (repeated.id, repeated.status) == (wishes[-1].id, FeedbackStatus.UNCHANGED)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert len(view.feedback) == 1 + MOST_CORRECTIONS
    assert quality(database) == (1.0, wishes[-1].score)


def test_a_list_counts_all_or_none_and_names_the_first_that_is_wrong(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion()
    running.write(record)
    good = making.score(record.decision.completion_id, 0.9)
    wrong = running.submit((good, making.score("req_unknown", 0.9), making.score("req_none", 0.1)))
    right = running.submit((making.score(record.decision.completion_id, 0.1, source="judge"),))
    error = wrong.exception(60)
    assert isinstance(error, CompletionNotFound)
    assert error.index == 1
    assert right.result(60)[0].status == FeedbackStatus.RECORDED
    assert quality(database) == (1.0, 0.1)


@pytest.mark.parametrize(
    ("key_id", "any_key", "routers", "found"),
    [
        ("key_1", False, None, True),
        ("key_1", False, ("rtr_b",), True),
        ("key_2", False, None, False),
        ("key_2", True, None, True),
        ("key_2", True, ("rtr_a", "rtr_b"), True),
        ("key_2", True, ("rtr_b",), False),
        ("key_2", True, (), False),
    ],
)
def test_a_key_scores_its_own_completions_and_with_the_right_scope_those_of_its_routers(
    running: RunningWriter,
    making: RecordMaker,
    key_id: str,
    any_key: bool,
    routers: tuple[str, ...] | None,
    found: bool,
) -> None:
    record = making.completion(key_id="key_1")
    running.write(record)
    score = making.score(record.decision.completion_id, 1.0, key_id=key_id, any_key=any_key, routers=routers)
    error = running.submit((score,)).exception(60)
    assert (error is None) == found
    assert found or isinstance(error, CompletionNotFound)


def test_scores_that_are_written_again_after_an_unknown_commit_count_once(
    database: Database, making: RecordMaker
) -> None:
    batches = Transactions(database, learn_scores, pace)
    record = making.completion()
    first = (
        making.score(record.decision.completion_id, 0.2),
        making.score(record.decision.completion_id, 0.4, source="judge"),
    )
    second = (making.score(record.decision.completion_id, 0.9),)
    written = batches.write([record, first, second])
    assert written.deltas[QUALITY].total == pytest.approx(0.65)
    again = batches.write([record, first, second], again=True)
    assert again.results == written.results
    assert (again.recorded, again.deltas) == (0, {})
    assert quality(database) == (1.0, 0.65)
    batches.close()


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED, Status.CLIENT_GONE])
def test_a_call_without_an_answer_cannot_be_scored(running: RunningWriter, making: RecordMaker, status: Status) -> None:
    record = making.completion(status=status)
    running.write(record)
    assert isinstance(
        running.submit((making.score(record.decision.completion_id, 1.0),)).exception(60), NoAnswerToScore
    )


def test_a_partial_answer_can_be_scored(running: RunningWriter, making: RecordMaker) -> None:
    record = making.completion(status=Status.PARTIAL)
    assert (
        running.write(record, (making.score(record.decision.completion_id, 1.0),))[1][0].status
        == FeedbackStatus.RECORDED
    )


def test_a_thousand_scores_are_one_transaction(database: Database, running: RunningWriter, making: RecordMaker) -> None:
    records = [making.completion() for _ in range(1_000)]
    running.write(*records)
    receipts = running.write(tuple(making.score(record.decision.completion_id, 0.5) for record in records))[0]
    assert [receipt.completion_id for receipt in receipts] == [record.decision.completion_id for record in records]
    assert running.commits[-1].deltas.keys() == {QUALITY}


given_scores = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["user", "judge", "rule"]), st.sampled_from([0.0, 0.3, 0.7, 1.0])),
    max_size=30,
)


@settings(max_examples=40)
@given(given_scores, st.integers(1, 5))
def test_whatever_is_scored_in_whatever_lists_the_statistics_are_those_of_the_last_scores(
    shared_ledger: tuple[Database, RunningWriter, RecordMaker], given_: list[tuple[int, str, float]], at_once: int
) -> None:
    database, running, making = shared_ledger
    router_id = f"rtr_{making.number()}"
    records = [making.completion(router_id) for _ in range(3)]
    scores = [
        making.score(records[which].decision.completion_id, score, source=source) for which, source, score in given_
    ]
    lists = [tuple(scores[start : start + at_once]) for start in range(0, len(scores), at_once)]
    running.write(*records, *lists)
    last = {(which, source): score for which, source, score in given_}
    by_completion = [[score for (which, _), score in last.items() if which == one] for one in range(3)]
    means = [sum(of_one) / len(of_one) for of_one in by_completion if of_one]
    found = Arms(database).sums(router_id).get(StatisticKey(router_id, "m/one", "code", Signal.QUALITY))
    if means:
        assert found is not None
        ends = [record.outcome.ended_at for record, of_one in zip(records, by_completion, strict=True) if of_one]
        fades = [0.5 ** ((found.at - at) / found.half_life) for at in ends]
        assert found.weight == pytest.approx(sum(fades), rel=1e-9)
        assert found.total == pytest.approx(sum(map(float.__mul__, fades, means)), rel=1e-9, abs=1e-12)
