"""What a completion leaves in the ledger, and what becomes of one that comes twice or can't be written."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, text

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.errors import CompletionNotFound, Contention
from storage.records import CompletionRecord, Content, Status
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.stores.identity import begin_epoch
from storage.stores.ledger import Ledger
from storage.stores.refused import RefusedRecords
from storage.tables import choices
from storage.writing.clamping import MOST_TOKENS
from storage.writing.transaction import Transactions
from tests.support.records import NOW, RecordMaker, RunningWriter, assert_same_sums, learn_scores, pace


def changed(record: CompletionRecord, **outcome: object) -> CompletionRecord:
    return dataclasses.replace(record, outcome=dataclasses.replace(record.outcome, **outcome))  # type: ignore[arg-type]


@contextlib.contextmanager
def identity_made_anew(database: Database) -> Iterator[None]:
    """Another table of its name and content, as a restore makes it; afterwards the former one is back."""

    def execute(*statements: str) -> None:
        with database.write() as connection:
            for statement in statements:
                connection.execute(text(statement))

    execute("ALTER TABLE identity RENAME TO identity_before", "CREATE TABLE identity AS SELECT * FROM identity_before")
    try:
        yield
    finally:
        execute("DROP TABLE identity", "ALTER TABLE identity_before RENAME TO identity")


def test_a_completion_is_read_back_as_it_was_written(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion(attempts=3, instructions="Lower cost — für Kurzes 🙂", choice=b'{"u":"\xc3\xa9"}')
    running.write(record)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert (view.decision, view.attempts, view.outcome) == (record.decision, record.attempts, record.outcome)
    assert view.feedback == ()


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 40, 101, 230])
def test_batches_of_every_size_are_written_whole(
    database: Database, running: RunningWriter, making: RecordMaker, count: int
) -> None:
    records = [making.completion(attempts=2, choice=f"{number % 3}".encode()) for number in range(count)]
    running.write(*records)
    exported = list(Ledger(database).export("rtr_a"))
    assert [row["completion_id"] for row in exported] == [record.decision.completion_id for record in records]
    assert Ledger(database).decision(records[-1].decision.completion_id).decision == records[-1].decision  # type: ignore[union-attr]


def test_a_choice_is_stored_again_if_a_restore_has_taken_it_back(database: Database, making: RecordMaker) -> None:
    transactions = Transactions(database, learn_scores, pace)
    records = [making.completion(attempts=2) for _ in range(60)]

    def lacking() -> list[str]:
        views = [Ledger(database).decision(record.decision.completion_id) for record in records]
        return [view.decision.completion_id for view in views if view is not None and not view.decision.choice]

    for some in (records[:1], records[1:2], records[2:40]):
        transactions.write(some)
    assert lacking() == []
    for some in (records[40:41], records[41:59]):  # by one statement of PostgreSQL, and by several
        with database.write() as connection:
            connection.execute(delete(choices))
        begin_epoch(database)
        with contextlib.suppress(Contention):
            transactions.write(some)
        transactions.write(some, again=True)
        assert not {record.decision.completion_id for record in some} & set(lacking())
    # On PostgreSQL the tables are made anew before the epoch begins.
    if not database.sqlite:
        with database.write() as connection:
            connection.execute(delete(choices))
        with identity_made_anew(database):
            with pytest.raises(Contention):
                transactions.write(records[59:])
            transactions.write(records[59:])
            assert records[59].decision.completion_id not in lacking()
    transactions.close()


def test_nothing_refers_to_a_request_that_is_not_there(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """SQLite does not look while the writer writes."""
    answered = making.completion(attempts=3, content=Content(b"asked", b"answered"))
    running.write(answered)
    running.write((making.score(answered.decision.completion_id, 0.5, comment="good"),))
    with pytest.raises(CompletionNotFound):
        running.write((making.score("req_lost", 0.5),))
    query = "SELECT count(*) FROM {} WHERE completion_id NOT IN (SELECT completion_id FROM decisions)"
    with database.read() as connection:
        for table in ("attempts", "contents", "feedback", "scores"):
            assert connection.execute(text(query.format(table))).scalar_one() == 0
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() > 0  # noqa: S608 - the same


def test_the_statistics_are_the_sum_of_the_deltas(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    records = [making.completion(model_id=f"m/{number % 3}", task=f"t{number % 2}") for number in range(50)]
    running.write(*records)
    expected: dict[StatisticKey, Sums] = {}
    for record in records:
        for key, sums in record.deltas.items():
            expected[key] = expected[key] + sums if key in expected else sums
    assert_same_sums(Arms(database).sums(), expected)
    assert_same_sums(running.sums, expected)
    assert Arms(database).sums("rtr_other") == {}


def test_a_completion_that_is_written_twice_counts_once(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    first, second, third = (making.completion(at=time.time() - 10.0) for _ in range(3))
    running.write(first)
    before = Arms(database).sums()
    assert running.write(second, first, third, third) == [(), (), (), ()]
    key = StatisticKey("rtr_a", "m/one", "", Signal.OUTCOMES)
    assert (before[key].weight, Arms(database).sums()[key].weight) == (1.0, 3.0)
    assert len(list(Ledger(database).export("rtr_a"))) == 3
    assert sum(read_everything(database)[0].spend_usd.values()) == pytest.approx(3 * 0.002)


def test_a_record_that_the_database_refuses_is_kept_aside_alone(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    good = [making.completion() for _ in range(4)]
    bad = [
        changed(making.completion(), seconds=math.nan),
        changed(making.completion(), http_status=1 << 62),
        changed(making.completion(), status=None),
    ]
    futures = [running.submit(item) for item in (good[0], bad[0], good[1], bad[1], good[2], bad[2], good[3])]
    errors = [future.exception(60) for future in futures]
    assert errors == [None] * 7, "all are durable"
    assert {each.completion_id for each in RefusedRecords(database).all()} == {
        record.decision.completion_id for record in bad
    }
    assert [row["completion_id"] for row in Ledger(database).export("rtr_a")] == [
        record.decision.completion_id for record in good
    ]


def test_a_refusal_does_not_tell_what_was_to_be_written(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(changed(making.completion(instructions="a secret"), seconds=math.nan))
    (refusal,) = RefusedRecords(database).all()
    assert "secret" not in refusal.reason


def test_tokens_that_overflow_do_not_block_their_model_for_the_day(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """Also not if an older version has filled the day's sum."""
    absurd = making.completion(at=NOW)
    attempts = tuple(dataclasses.replace(each, completion_tokens=2**63 - 1) for each in absurd.attempts)
    absurd = dataclasses.replace(changed(absurd, completion_tokens=2**63 - 1), attempts=attempts)
    running.write(absurd, making.completion(at=NOW))
    with database.write() as connection:
        connection.execute(text("UPDATE activity SET prompt_tokens = 9223372036854775807"))
    running.write(making.completion(at=NOW), making.completion(at=NOW))
    assert RefusedRecords(database).count() == 0
    counted = Ledger(database).traffic("rtr_a", NOW)["m/one"]
    assert (counted.answered, counted.completion_tokens) == (4, MOST_TOKENS + 3 * 50)
    view = Ledger(database).decision(absurd.decision.completion_id)
    assert view is not None
    assert view.outcome.completion_tokens == view.attempts[0].completion_tokens == MOST_TOKENS


def test_text_that_a_database_refuses_is_mended(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion(instructions="nul \x00 and half a pair \ud800")
    running.write(record)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert view.decision.instructions == "nul � and half a pair ?"


def test_a_delta_that_is_no_number_is_dropped_and_the_rest_is_learned(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    good, bad = (StatisticKey("rtr_a", "m/one", "", signal) for signal in (Signal.SUCCESS, Signal.TOTAL))
    deltas = {good: Sums(1.0, 10.0, 1.0, 1.0, 1.0), bad: Sums(1.0, 10.0, 1.0, math.nan)}
    running.write(making.completion(deltas=deltas))
    assert Arms(database).sums() == {good: deltas[good]}
    assert running.sums == {good: deltas[good]}


def test_content_is_kept_only_where_it_is_given(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    silent = making.completion()
    kept = making.completion(content=Content(b'{"messages": "\x00\xff"}', b"answer"))
    running.write(silent, kept)
    ledger = Ledger(database)
    assert ledger.content(silent.decision.completion_id) is None
    assert ledger.content(kept.decision.completion_id) == kept.content


def test_a_choice_is_kept_once_for_the_decisions_that_share_it_closely(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    close = [making.completion(at=1_000.0 + number) for number in range(5)]
    far = making.completion(at=9_000.0)
    running.write(*close)
    running.write(far, making.completion(at=9_001.0))
    rows = list(Ledger(database).export("rtr_a"))
    assert [row["choice_id"] for row in rows] == [close[0].decision.completion_id] * 5 + [
        far.decision.completion_id
    ] * 2


def test_a_failed_request_has_its_row_and_no_answering_model(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion(status=Status.FAILED, attempts=2)
    running.write(record)
    view = Ledger(database).decision(record.decision.completion_id)
    assert view is not None
    assert view.outcome.model_id is None
    assert [attempt.number for attempt in view.attempts] == [1, 2]
