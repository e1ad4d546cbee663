"""The statistics are what the ledger adds up to; where they are not, a rebuild makes them so, whoever is writing."""

import contextlib
import itertools
import math
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, literal_column, select, update

from bandit import learning
from bandit.statistics import Deltas, Signal, StatisticKey, Sums
from bandit.types import Epoch, Scores
from gateway.maintenance.rebuild import rebuild_of
from storage.database.clock import DatabaseClock
from storage.database.engine import Database
from storage.maintenance.fold import RouterHalfLife
from storage.maintenance.rebuild import Rebuild
from storage.maintenance.retention import Retention
from storage.records import RouterModel, RouterRecord
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.rebuilds_due import read_due
from storage.stores.routers import Routers
from storage.tables import arms, attempts, choices, contents, decisions, feedback, scores
from storage.writing.scores import LearnScores
from tests.support.records import NOW, RecordMaker, RunningWriter, Start, half_life, later, learn_scores, same_sums

RECORDS = [RouterRecord("rtr_a", "A", b"s" * 32, {}, (RouterModel("m/0"),), NOW, NOW)]


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


@pytest.mark.parametrize("deleted", [0, 1, 2])
def test_a_user_who_scores_what_only_a_judge_had_leaves_the_statistics_equal_to_the_ledger(
    database: Database, start_writer: Start, making: RecordMaker, deleted: int
) -> None:
    def learn(before: Scores, after: Scores) -> Deltas:
        return learning.learn_scores(before, after, 3_600.0)

    def law(router_id: str, signal: Signal) -> float:
        faster = learning.SUDDEN.get(signal)
        judged = signal in (Signal.QUALITY, Signal.JUDGED_QUALITY, Signal.JUDGE_DIFFERENCE)
        return 3_600.0 / (faster or 1.0) if judged or faster else half_life(router_id, signal)

    running = start_writer(database, learn=learn)
    records = [making.completion(at=NOW + at) for at in (0.0, 60.0)]
    running.write(*records)
    for record in records:
        running.write((making.score(record.decision.completion_id, 0.9, source="judge"),))
    running.write((making.score(records[1].decision.completion_id, 0.4),))  # the judge alone has the earlier one
    retention = Retention(database, lambda connection, router_ids: (learn, law))
    assert retention.delete_some("rtr_a", later(3_600.0), deleted) == deleted
    assert Rebuild(database, learn, law).check() == []


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


def laws(faster: float) -> tuple[LearnScores, RouterHalfLife]:
    """How scores are learned and how fast they fade, with other half-lives."""

    def learn(before: Scores, after: Scores) -> Deltas:
        changes = learn_scores(before, after)
        return {key: replace(sums, half_life=sums.half_life * faster) for key, sums in changes.items()}

    return learn, lambda router_id, signal: half_life(router_id, signal) * faster


def retention_of(database: Database, faster: float = 1.0) -> Retention:
    """The retention by these laws."""
    return Retention(database, lambda connection, router_ids: laws(faster))


class Overtaken(Rebuild):
    """A rebuild after whose comparisons something else happens, as often as there is something."""

    def __init__(self, database: Database, *happening: Callable[[], object], faster: float = 1.0) -> None:
        super().__init__(database, *laws(faster))
        self._happening = list(happening)

    def _compare(self, router_id: str | None) -> Any:
        compared = super()._compare(router_id)
        if self._happening:
            self._happening.pop(0)()
        return compared


def damage(database: Database) -> None:
    """Make statistics that are not those of the ledger."""
    with database.write() as connection:
        connection.execute(update(arms).values(weight=arms.c.weight + 5.0))


def test_a_rebuild_loses_nothing_that_is_learned_meanwhile(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_a", 10, seed=5)
    damage(database)
    Overtaken(database, lambda: write_mixed(running, making, "rtr_a", 5, seed=6)).run()
    assert rebuild(database).check() == []


def test_a_difference_that_another_rebuild_has_corrected_meanwhile_is_not_corrected_twice(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the advisory lock was lost with its connection."""
    monkeypatch.setattr("storage.maintenance.rebuild.waiting_for_others", lambda database: contextlib.nullcontext())
    write_mixed(running, making, "rtr_a", 10, seed=10)
    right = Arms(database).sums()
    damage(database)
    found = Overtaken(database, rebuild(database).run).run()
    assert {difference.key for difference in found} == right.keys()
    assert rebuild(database).check() == []
    assert same_sums(Arms(database).sums(), right)


def test_rebuilds_of_many_threads_at_once_come_to_what_one_comes_to(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_a", 30, seed=11)
    write_mixed(running, making, "rtr_b", 30, seed=12)
    right = Arms(database).sums()
    for faster in (1.0, 0.5, 1.0):
        damage(database)
        together = threading.Barrier(4)

        def run(faster: float, together: threading.Barrier) -> None:
            together.wait(60)
            Overtaken(database, faster=faster).run()

        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(run, faster, together) for _ in range(4)]:
                future.result(60)
        assert Overtaken(database, faster=faster).check() == []
    assert same_sums(Arms(database).sums(), right)


def test_rebuilds_of_several_processes_at_once_come_to_what_one_comes_to(
    ledger_url: str, database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    for record in RECORDS:
        Routers(database).add(record)
    write_mixed(running, making, "rtr_a", 30, seed=13)
    rebuild_of(database).run()
    right = Arms(database).sums()
    damage(database)
    command = [sys.executable, "-m", "gateway.cli", "rebuild", "--database-url", ledger_url]
    for process in [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]:
        assert process.wait(120) == 0
    assert rebuild_of(database).check() == []
    assert same_sums(Arms(database).sums(), right)


def test_many_corrections_are_made_in_pieces_of_whole_routers(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.maintenance.rebuild.CORRECTED_AT_ONCE", 3)
    for number in range(5):
        write_mixed(running, making, f"rtr_{number}", 3, seed=20 + number)
    damage(database)
    assert {difference.key.router_id for difference in rebuild(database).run()} == {f"rtr_{n}" for n in range(5)}
    assert rebuild(database).check() == []


@pytest.mark.parametrize("faster", [0.5, 4.0])
def test_what_a_replica_holds_never_falls_while_half_lives_are_changed(
    database: Database, running: RunningWriter, start_writer: Start, making: RecordMaker, faster: float
) -> None:
    records = [making.completion("rtr_a", at=NOW + number) for number in range(40)]
    running.write(*records)
    replica = start_writer(database)
    key = StatisticKey("rtr_a", "m/one", "code", Signal.QUALITY)
    held: list[float] = []
    scores = iter(records)

    def learn_more() -> None:
        """One score more, until the replica has it; its weight is counted at one instant, whatever its half-life."""
        running.write((making.score(next(scores).decision.completion_id, 0.75),))
        replica.until(lambda: same_sums(replica.sums, Arms(database).sums()), "the replica follows")
        held.append(replica.sums[key].faded_to(records[-1].outcome.ended_at).weight)

    for _ in range(20):
        learn_more()
    Overtaken(database, learn_more, learn_more, learn_more, faster=faster).run()
    learn_more()
    grown = [later - earlier for earlier, later in itertools.pairwise(held)]
    assert min(grown) > 0.99, f"it fell: {held}"
    assert Overtaken(database, faster=faster).check() == []


def test_sums_of_very_many_answers_are_rebuilt_under_load_as_others_are(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """They are as large as a broken row's, but so is the fold."""

    def learn_more() -> None:
        """The tokens of a hundred million long answers, as one."""
        at = Epoch(NOW + next(numbers))
        key = StatisticKey("rtr_a", "m/one", "code", Signal.COMPLETION_TOKENS)
        tokens = Sums(at, half_life("rtr_a", key.signal), 1e8, 1e12, 1e16)
        running.write(making.completion("rtr_a", at=at - 0.5, deltas={key: tokens}))

    numbers = itertools.count(1)
    learn_more()
    Overtaken(database, *[learn_more] * 12, faster=0.5).run()
    assert Overtaken(database, faster=0.5).check() == []


def test_old_requests_can_still_be_deleted_after_half_lives_were_changed(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    write_mixed(running, making, "rtr_a", 30, seed=14)
    retention_of(database).delete_some("rtr_a", later(10_000))
    slower = Overtaken(database, faster=3.0)
    slower.run()
    retention_of(database, faster=3.0).delete_some("rtr_a", later(40_000))
    assert slower.check() == []


def test_a_process_that_does_not_know_the_new_half_life_yet_adds_with_the_rows_own(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(making.completion(at=NOW + 7_200.0))
    faster = Overtaken(database, faster=0.5)
    faster.run()
    running.write(making.completion(at=NOW))
    assert faster.check() == []


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
    retention = retention_of(database)
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
    retention = retention_of(database)
    assert retention.delete_some("rtr_a", later(5_550.0)) == 5
    assert retention.delete_choices("rtr_a", later(5_550.0)) == 2
    view = Ledger(database).decision(records[-1].decision.completion_id)
    assert view is not None
    assert view.decision.choice == records[-1].decision.choice
    with database.read() as connection:
        kept = connection.execute(select(choices.c.id)).scalars().all()
    assert kept == [records[3].decision.completion_id]


def test_what_is_deleted_cannot_be_scored(database: Database, running: RunningWriter, making: RecordMaker) -> None:
    record = making.completion(at=NOW)
    running.write(record)
    retention_of(database).delete_some("rtr_a", later(1))
    error = running.submit((making.score(record.decision.completion_id, 1.0),)).exception(60)
    assert type(error).__name__ == "CompletionNotFound"


def half_lives(record: RouterRecord, seconds: float) -> RouterRecord:
    return replace(record, settings={"half_lives": {"latency_seconds": seconds}})


def test_a_changed_half_life_whose_process_died_is_taken_up_by_the_next(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    routers = Routers(database)
    assert routers.add(RECORDS[0])
    write_mixed(running, making, "rtr_a", 10, seed=15)
    assert routers.put(half_lives(RECORDS[0], 900.0)), "and its process dies"
    assert not routers.put(half_lives(RECORDS[0], 900.0)), "nothing more is changed, and the mark stays"
    faster = Overtaken(database, faster=0.5)
    assert faster.check() != []
    assert faster.run_due(later(0.0)) == ["rtr_a"]
    assert faster.check() == []


def test_a_changed_half_life_is_marked_with_the_databases_time(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """`run_due` compares it with that: a machine an hour ahead must not have its mark looked at at once, or late."""
    Routers(database).add(RECORDS[0])
    running.write(making.completion(at=NOW))
    database.clock = DatabaseClock(wall=lambda: NOW)
    Routers(database).put(half_lives(RECORDS[0], 900.0))
    with database.read() as connection:
        assert [0.0 <= mark.since - NOW < 60.0 for mark in read_due(connection)] == [True]


def test_rows_that_a_process_makes_with_the_former_half_life_are_found_by_a_second_look(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    routers = Routers(database)
    routers.add(RECORDS[0])
    running.write(making.completion(at=NOW))
    routers.put(half_lives(RECORDS[0], 900.0))
    faster = Overtaken(database, faster=0.5)
    faster.run("rtr_a")
    assert faster.run_due(later(1e9)) == [], "it was rebuilt already"
    routers.put(half_lives(RECORDS[0], 900.5))
    faster.run("rtr_a")
    running.write(making.completion(at=NOW, task="new to it"))
    assert [difference.key.task for difference in faster.check()] == ["new to it"]
    assert faster.run_due(later(1e9)) == ["rtr_a"]
    assert faster.check() == []
    assert [faster.run_due(later(1e9)) for _ in range(2)] == [[], []]


def test_the_first_rows_that_a_process_makes_with_the_former_half_life_are_found(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """The router had no statistics when its half-life was changed, and another process did not know of it yet."""
    routers = Routers(database)
    routers.add(RECORDS[0])
    assert not routers.put(half_lives(RECORDS[0], 900.0)), "there is nothing to rebuild now"
    running.write(making.completion(at=NOW))
    faster = Overtaken(database, faster=0.5)
    assert faster.check() != []
    assert faster.run_due(later(0.0)) == ["rtr_a"]
    assert faster.check() == []


def test_a_change_during_a_rebuild_leaves_its_mark(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    routers = Routers(database)
    routers.add(RECORDS[0])
    running.write(making.completion(at=NOW))
    routers.put(half_lives(RECORDS[0], 900.0))
    Overtaken(database, lambda: routers.put(half_lives(RECORDS[0], 450.0)), faster=0.5).run()
    assert Overtaken(database, faster=0.25).run_due(later(0.0)) == ["rtr_a"]


def test_a_router_that_is_made_anew_takes_its_former_statistics_up_with_its_own_half_lives(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    routers = Routers(database)
    routers.add(RECORDS[0])
    assert not routers.put(half_lives(RECORDS[0], 900.0)), "there is nothing to rebuild yet"
    running.write(making.completion(at=NOW))
    routers.delete("rtr_a", NOW)
    routers.add(half_lives(RECORDS[0], 450.0))
    faster = Overtaken(database, faster=0.5)
    assert faster.run_due(later(0.0)) == ["rtr_a"]
    assert faster.check() == []


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.floats(0, 60_000), st.integers(1, 30))
def test_whatever_is_written_and_deleted_the_fold_is_the_statistics(
    shared_ledger: tuple[Database, RunningWriter, RecordMaker], seed: int, cut: float, at_once: int
) -> None:
    database, running, making = shared_ledger
    router_id = f"rtr_{making.number()}"
    retention = retention_of(database)
    for part in range(2):
        write_mixed(running, making, router_id, 6, seed + part)
        retention.delete_some(router_id, later(cut), at_once)
    assert rebuild(database).check(router_id) == []
