"""The statistics are what the ledger adds up to; where they are not, a rebuild makes them so, whoever is writing."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, literal_column, select, update

from bandit.types import Signal, StatisticKey
from storage.database.engine import Database
from storage.maintenance.rebuild import Rebuild
from storage.maintenance.retention import Retention
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.tables import arms, attempts, choices, contents, decisions, feedback, scores
from tests.support.records import NOW, RecordMaker, RunningWriter, half_life, later, learn_scores, same_sums


def rebuild(database: Database) -> Rebuild:
    return Rebuild(database, learn_scores, half_life)


def write_mixed(running: RunningWriter, making: RecordMaker, router_id: str, count: int, seed: int) -> None:
    """Completions of several models and tasks, out of order in time, two thirds scored, some more than once."""
    chance = random.Random(seed)
    records = [
        making.completion(
            router_id,
            f"m/{chance.randrange(3)}",
            task=chance.choice(["code", "chat", "a/b"]),
            at=NOW + chance.uniform(0, 50_000),
            attempts=chance.randint(1, 3),
        )
        for _ in range(count)
    ]
    running.write(*records)
    for record in records:
        for _ in range(chance.choice([0, 1, 1, 3])):
            source = chance.choice(["user", "judge"])
            running.write((making.score(record.decision.completion_id, chance.random(), source=source),))


def test_the_statistics_equal_the_fold_of_the_ledger(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_a", 40, seed=1)
    write_mixed(running, making, "rtr_b", 10, seed=2)
    assert rebuild(database).check() == []
    assert rebuild(database).run() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("weight", "weight + 1e-6"),
        ("total", "-1e9"),
        ("half_life", "7.0"),
        ("at", "at + 9999.0"),
        ("at", "1e12"),
        ("at", "at - 50"),
        ("squares", "0.5"),
    ],
)
def test_a_wrong_row_is_found_and_mended(
    database: Database, running: RunningWriter, making: RecordMaker, column: str, value: str
) -> None:
    write_mixed(running, making, "rtr_a", 10, seed=3)
    key = StatisticKey("rtr_a", "m/0", "", Signal.SUCCESS)
    right = Arms(database).sums()
    own = (arms.c.model_id == key.model_id) & (arms.c.signal == key.signal.value)
    with database.write() as connection:
        connection.execute(update(arms).where(own).values({column: literal_column(value)}))
    assert [difference.key for difference in rebuild(database).check("rtr_a")] == [key]
    assert rebuild(database).check("rtr_b") == []
    assert [difference.key for difference in rebuild(database).run()] == [key]
    assert rebuild(database).check() == []
    assert same_sums(Arms(database).sums(), right)


def test_broken_missing_and_needless_rows_are_mended(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_a", 10, seed=4)
    right = Arms(database).sums()
    with database.write() as connection:
        connection.execute(update(arms).where(arms.c.model_id == "m/0").values(weight=math.inf))
        connection.execute(update(arms).where(arms.c.model_id == "m/1").values(model_id="m/nobody"))
    assert rebuild(database).check() != []
    rebuild(database).run()
    assert rebuild(database).check() == []
    assert same_sums(Arms(database).sums(), right)


def test_a_rebuild_loses_nothing_that_is_learned_meanwhile(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mixed(running, making, "rtr_a", 10, seed=5)
    with database.write() as connection:
        connection.execute(update(arms).values(weight=arms.c.weight + 5.0))
    it = rebuild(database)
    check = it.check

    def check_and_be_overtaken(router_id: str | None = None) -> object:
        found = check(router_id)
        write_mixed(running, making, "rtr_a", 5, seed=6)
        return found

    monkeypatch.setattr(it, "check", check_and_be_overtaken)
    it.run()
    assert rebuild(database).check() == []


def test_a_changed_half_life_takes_effect_by_a_rebuild(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    records = [making.completion(at=NOW), making.completion(at=NOW + 3_600.0)]
    running.write(*records)
    key = StatisticKey("rtr_a", "m/one", "", Signal.SUCCESS)
    assert Arms(database).sums()[key].weight == pytest.approx(1.5)
    slower = Rebuild(database, learn_scores, lambda router_id, signal: half_life(router_id, signal) * 0.5)
    slower.run()
    sums = Arms(database).sums()[key]
    assert sums.half_life == 1_800.0
    assert sums.weight == pytest.approx(1.25)
    assert slower.check() == []


def test_a_router_that_nobody_knows_keeps_the_half_lives_of_its_rows(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_gone", 10, seed=7)
    assert Rebuild(database, learn_scores, lambda router_id, signal: None).check() == []


def test_retention_deletes_old_requests_with_all_that_is_theirs_and_a_rebuild_comes_to_the_same(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_a", 60, seed=8)
    write_mixed(running, making, "rtr_b", 5, seed=9)
    before, spent = Arms(database).sums(), read_everything(database)[0].spend_usd
    retention = Retention(database, learn_scores, half_life)
    left = sum(row["at"] >= NOW + 25_000 for row in Ledger(database).export("rtr_a"))
    deleted: list[int] = []
    while not deleted or deleted[-1] == 7:
        deleted.append(retention.delete_some("rtr_a", later(25_000), count=7))
    assert sum(deleted) == 60 - left > 20
    assert len(list(Ledger(database).export("rtr_a"))) == left
    assert len(list(Ledger(database).export("rtr_b"))) == 5
    assert Arms(database).sums() == before
    assert read_everything(database)[0].spend_usd == spent
    assert rebuild(database).check() == []
    with database.read() as connection:
        for table in (attempts, contents, feedback, scores):
            orphans = select(func.count()).where(table.c.completion_id.notin_(select(decisions.c.completion_id)))
            assert connection.execute(orphans).scalar() == 0


def test_retention_keeps_the_choices_of_what_stays(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    times = [0.0, 100.0, 700.0, 5_000.0, 5_500.0, 5_590.0]
    records = [making.completion(at=NOW + at) for at in times]
    for record in records:
        running.write(record)
    retention = Retention(database, learn_scores, half_life)
    assert retention.delete_some("rtr_a", later(5_550.0)) == 5
    view = Ledger(database).decision(records[-1].decision.completion_id)
    assert view is not None
    assert view.decision.choice == records[-1].decision.choice
    with database.read() as connection:
        kept = connection.execute(select(choices.c.id)).scalars().all()
    assert kept == [records[3].decision.completion_id]


def test_what_is_deleted_cannot_be_scored(database: Database, running: RunningWriter, making: RecordMaker) -> None:
    record = making.completion(at=NOW)
    running.write(record)
    Retention(database, learn_scores, half_life).delete_some("rtr_a", later(1))
    error = running.submit((making.score(record.decision.completion_id, 1.0),)).exception(60)
    assert type(error).__name__ == "CompletionNotFound"


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.floats(0, 60_000), st.integers(1, 30))
def test_whatever_is_written_and_deleted_the_fold_is_the_statistics(
    shared_ledger: tuple[Database, RunningWriter, RecordMaker], seed: int, cut: float, at_once: int
) -> None:
    database, running, making = shared_ledger
    router_id = f"rtr_{making.number()}"
    retention = Retention(database, learn_scores, half_life)
    for part in range(2):
        write_mixed(running, making, router_id, 6, seed + part)
        retention.delete_some(router_id, later(cut), at_once)
    assert rebuild(database).check(router_id) == []
