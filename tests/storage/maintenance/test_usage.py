"""What keys have used is what the ledger adds up to; a rebuild makes it so."""

import pytest
from sqlalchemy import delete, func, select, update

from storage.calendar import DAY, MINUTE
from storage.database.engine import Database
from storage.key_usage import Cell, Usage
from storage.maintenance.usage import UsageRebuild
from storage.replication.changes import read_everything
from storage.tables import activity, decisions, key_usage
from tests.support.records import NOW, RecordMaker, RunningWriter

TODAY = int(NOW // DAY) * DAY


def test_a_rebuild_finds_and_corrects_what_differs_from_the_ledger(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    records = [
        making.completion(key_id=f"key_{number % 3}", at=NOW - number * 7_000, attempts=1 + number % 2, cost_usd=0.1)
        for number in range(30)
    ]
    running.write(*records)
    rebuilding = UsageRebuild(database)
    assert rebuilding.check() == []
    with database.read() as connection:
        days = select(func.sum(key_usage.c.cost_usd)).where(key_usage.c.width == DAY)
        of_keys = connection.execute(days).scalar_one()
        of_models = connection.execute(
            select(func.sum(activity.c.cost_usd)).where(activity.c.width == DAY)
        ).scalar_one()
        of_ledger = connection.execute(select(func.sum(decisions.c.cost_usd))).scalar_one()
        minutes = connection.execute(select(func.sum(key_usage.c.requests)).where(key_usage.c.width == MINUTE))
        assert minutes.scalar_one() == 30
    assert (of_keys, of_models, of_ledger) == pytest.approx((3.0, 3.0, 3.0))
    with database.write() as connection:
        own = (key_usage.c.key_id == "key_0") & (key_usage.c.width == DAY)
        connection.execute(update(key_usage).where(own, key_usage.c.start == TODAY).values(requests=99, cost_usd=7.0))
        connection.execute(delete(key_usage).where(key_usage.c.key_id == "key_1"))
    found = rebuilding.run()
    assert {each.cell.key_id for each in found} == {"key_0", "key_1"}
    assert next(each.kept for each in found if each.cell == Cell("key_0", DAY, TODAY)).cost_usd == 7.0
    assert rebuilding.check() == []


def test_a_process_reads_the_usage_of_keys_with_limits_alone(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(making.completion(key_id="key_without"))
    assert read_everything(database)[0].usage == {}
    assert Usage(1, 2, 0.5).plus(Usage(1, 1, 0.25)) == Usage(2, 3, 0.75)
