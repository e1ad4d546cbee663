"""Events that a clock which was ahead has recorded later than the present are found, and moved back to it."""

import time
from dataclasses import replace

from sqlalchemy import func, select

from bandit.learning import half_life_of, learn_scores
from bandit.statistics import Deltas, Signal, StatisticKey
from bandit.types import Epoch, HalfLives, Scores
from gateway.maintenance.rebuild import rebuild_of
from storage.calendar import DAY
from storage.database.clock import DatabaseClock
from storage.database.engine import Database
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.future import FutureEvents
from storage.maintenance.usage import UsageRebuild
from storage.records import RouterModel, RouterRecord, ValidityRecord
from storage.stores.arms import Arms
from storage.stores.routers import Routers
from storage.tables import attempts, choices, decisions, feedback
from tests.support.records import RecordMaker, RunningWriter, Start

YEAR = 365.0 * DAY
QUALITY = StatisticKey("rtr_a", "m/one", "code", Signal.QUALITY)


class AheadClock(DatabaseClock):
    """A database's clock while it was a year ahead."""

    def now(self) -> Epoch:
        return Epoch(super().now() + YEAR)


def learn(before: Scores, after: Scores) -> Deltas:
    return learn_scores(before, after, HalfLives().quality)


def write_scored(running: RunningWriter, making: RecordMaker, count: int, at: float) -> None:
    for _ in range(count):
        record = making.completion(at=at)
        success = StatisticKey("rtr_a", "m/one", "", Signal.SUCCESS)
        deltas = {
            key: replace(sums, half_life=half_life_of(HalfLives(), key.signal)) for key, sums in record.deltas.items()
        }
        assert success in deltas
        running.write(replace(record, deltas=deltas))
        running.write((replace(making.score(record.decision.completion_id, 0.5), at=Epoch(at)),))


def quality_weight(database: Database, now: float) -> float:
    return Arms(database).sums()[QUALITY].faded_to(now).weight


def test_what_a_clock_a_year_ahead_has_recorded_is_moved_to_the_present_and_learning_goes_on(
    database: Database, start_writer: Start, making: RecordMaker
) -> None:
    Routers(database).put(RouterRecord("rtr_a", "A", b"s" * 32, {}, (RouterModel("m/one"),), 1.0, 1.0))
    now, future = time.time(), FutureEvents(database)
    right, database.clock = database.clock, AheadClock()
    running = start_writer(database, learn=learn)
    write_scored(running, making, 2, now + YEAR)
    validated = making.completion(at=now + YEAR)
    running.write(validated)
    validity = StatisticKey("rtr_a", "m/one", "", Signal.VALIDITY)
    taught = replace(next(iter(validated.deltas.values())), at=now + YEAR + 10.0, weight=1.0, total=1.0, squares=1.0)
    running.write(ValidityRecord(validated.decision.completion_id, True, {validity: taught}))
    running.writer.close()
    database.clock = right
    assert (future.latest() or 0.0) > now + YEAR - DAY

    running = start_writer(database, learn=learn)
    write_scored(running, making, 3, now)
    assert quality_weight(database, now + YEAR) < 2.1, "beside them nothing is learned"
    rebuild_of(database).run()
    assert quality_weight(database, now + YEAR) < 2.1, "and the ledger says the same"

    assert future.move_back() == 3
    assert future.latest() is None
    for rebuilding in (
        rebuild_of(database),
        UsageRebuild(database),
        ActivityRebuild(database),
        FixedSumsRebuild(database),
    ):
        rebuilding.run()
        assert rebuilding.check() == []
    assert quality_weight(database, now) > 4.9
    write_scored(running, making, 1, now)
    assert quality_weight(database, now) > 5.9
    assert rebuild_of(database).check() == []
    with database.read() as connection:
        times = (decisions.c.at, decisions.c.ended_at, attempts.c.started_at, feedback.c.at, choices.c.at)
        latest = [connection.execute(select(func.max(at))).scalar_one() for at in times]
    assert max(latest) <= time.time() + 60.0
    assert future.move_back() == 0
    assert future.latest() is None
