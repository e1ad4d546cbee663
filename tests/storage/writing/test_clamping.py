"""A record from a clock that was ahead counts at the present: it fades nothing, and belongs to today."""

import dataclasses
import time

import pytest

from bandit.statistics import Signal, StatisticKey
from bandit.types import Epoch
from storage.calendar import day_of
from storage.database.engine import Database
from storage.records import ValidityRecord
from storage.replication.changes import read_everything
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.clamping import clamped
from tests.support.records import NOW, RecordMaker, RunningWriter, later, same_sums

DAY_SECONDS = 86_400.0
QUALITY = StatisticKey("rtr_a", "m/one", "code", Signal.QUALITY)
SUCCESS = StatisticKey("rtr_a", "m/one", "", Signal.SUCCESS)


def test_an_answer_from_a_clock_a_year_ahead_fades_none_of_200_scores(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    began = time.time()
    records = [making.completion(at=began - 10.0) for _ in range(200)]
    running.write(*records)
    running.write(*((making.score(record.decision.completion_id, 1.0),) for record in records))
    ahead = making.completion(at=began + 365 * DAY_SECONDS)
    running.write(ahead)
    running.write((making.score(ahead.decision.completion_id, 1.0),))
    held = Arms(database).sums()
    assert held[QUALITY].weight == pytest.approx(201.0, rel=0.01)
    assert held[SUCCESS].weight == pytest.approx(201.0, rel=0.1)
    assert max(sums.at for sums in held.values()) < time.time() + 60.0
    running.until(lambda: same_sums(running.sums, held), "memory holds what the database has")


def test_spend_of_a_clock_a_day_ahead_is_todays_and_hides_nobody_elses(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    now = time.time()
    running.write(making.completion(at=now - 5.0, cost_usd=0.25))
    running.write(making.completion(at=now + DAY_SECONDS, cost_usd=0.5))
    spent = read_everything(database)[0].spend_usd
    assert sum(spent.values()) == pytest.approx(0.75)
    assert max(day for _, day in spent) <= day_of(Epoch(time.time()))


def test_a_request_is_moved_back_as_a_whole(making: RecordMaker) -> None:
    record = making.completion(at=NOW + 100.0, attempts=2)
    moved = clamped(record, NOW)
    assert moved == dataclasses.replace(
        making.completion(completion_id=record.decision.completion_id, at=NOW - 0.5, attempts=2),
        decision=dataclasses.replace(record.decision, at=later(-0.5)),
    )
    assert clamped(moved, NOW) is moved


def test_scores_and_findings_are_clamped_too(making: RecordMaker) -> None:
    early, late = making.score("req_1", 0.5), dataclasses.replace(making.score("req_1", 0.5), at=NOW + 1e6)
    until = later(1e3)
    assert clamped((early, late), until) == (early, dataclasses.replace(late, at=until))
    assert clamped((early,), until) == (early,)
    deltas = making.deltas("rtr_a", "m/one", "code", NOW + 1e6)
    found = clamped(ValidityRecord("req_1", True, deltas), until)
    assert found == ValidityRecord("req_1", True, making.deltas("rtr_a", "m/one", "code", until))


def test_what_is_clamped_is_what_the_ledger_folds(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(making.completion(at=time.time() + DAY_SECONDS))
    (row,) = Ledger(database).export("rtr_a")
    assert {sums.at for sums in Arms(database).sums().values()} == {row["ended_at"]}
