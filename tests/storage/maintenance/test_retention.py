"""A gateway lets old requests go, as its routers say, and keeps what they have taught."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from sqlalchemy import func, select

from bandit.types import Epoch, Json
from gateway.maintenance.rebuild import rebuild_of, retention_of
from gateway.maintenance.retention import RetentionWorker
from storage.activity import KEPT_SECONDS
from storage.calendar import DAY, MINUTE
from storage.database.engine import Database, open_database
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.retention import DELETED_AT_ONCE
from storage.maintenance.usage import UsageRebuild
from storage.records import RouterModel, RouterRecord
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.tables import activity
from tests.support.records import RunningWriter
from tests.support.traffic import ROUTER, make_records
from tests.support.waiting import wait_until

NOW = Epoch(1_770_000_000.0)
OLD, NEW = DELETED_AT_ONCE + 30, 20


def fill(database: Database, running: RunningWriter, settings: dict[str, Json], kept: dict[str, Json]) -> None:
    """Two routers, the first with requests of 40 days ago and of today, the second with old ones alone."""
    models = (RouterModel("provider-0/model-0"),)
    for router_id, options in ((ROUTER, settings), ("rtr_other", kept)):
        Routers(database).put(RouterRecord(router_id, router_id, b"s" * 32, options, models, NOW, NOW))
    records = [
        *islice(make_records(1, NOW - 40 * DAY), OLD),
        *islice(make_records(2, NOW), NEW),
        *(
            replace(record, decision=replace(record.decision, router_id="rtr_other"), deltas={})
            for record in islice(make_records(3, NOW - 40 * DAY), 5)
        ),
    ]
    running.write(*records)


def counts(database: Database) -> tuple[int, int]:
    kept, other = (sum(1 for _ in Ledger(database).export(router_id)) for router_id in (ROUTER, "rtr_other"))
    return kept, other


def test_what_is_older_than_its_router_keeps_goes_in_batches_and_the_statistics_stay(
    database: Database, running: RunningWriter
) -> None:
    fill(database, running, {"retention_days": 30}, {"retention_days": "forever"})
    before = Arms(database).sums()
    assert rebuild_of(database).check() == []
    retaining = RetentionWorker(database, lambda: NOW, first_seconds=0.0)
    retaining.start()
    wait_until(lambda: counts(database) == (NEW, 5), "the old requests are deleted", 60)
    retaining.close()
    assert counts(database) == (NEW, 5)
    assert Arms(database).sums() == before
    assert rebuild_of(database).check() == []
    assert UsageRebuild(database).check() == []
    assert ActivityRebuild(database, lambda: NOW).check() == []
    while retention_of(database).expire_activity(NOW):
        pass
    assert ActivityRebuild(database, lambda: NOW).check() == []
    with database.read() as connection:
        oldest = connection.execute(select(func.min(activity.c.start)).where(activity.c.width == MINUTE)).scalar_one()
    assert oldest >= NOW - KEPT_SECONDS[MINUTE]


def test_ninety_days_are_kept_where_nothing_is_said_and_all_where_settings_cannot_be_read(
    database: Database, running: RunningWriter
) -> None:
    fill(database, running, {}, {"policy": "of a newer version"})
    assert RetentionWorker(database, lambda: NOW).delete_old() == 0
    assert RetentionWorker(database, lambda: Epoch(NOW + 51 * DAY)).delete_old() == OLD
    assert counts(database) == (NEW, 5)


def test_a_deleted_routers_requests_are_kept_for_as_long_as_it_said(database: Database, running: RunningWriter) -> None:
    fill(database, running, {"retention_days": 30}, {"retention_days": "forever"})
    for router_id in (ROUTER, "rtr_other"):
        Routers(database).delete(router_id, NOW)
    assert RetentionWorker(database, lambda: NOW).delete_old() == OLD
    assert counts(database) == (NEW, 5)


def test_one_process_in_an_hour_takes_it_upon_itself(ledger_url: str, database: Database) -> None:
    others = [open_database(ledger_url) for _ in range(4)]
    for at, expected in ((NOW, 1), (Epoch(NOW + 60.0), 0), (Epoch(NOW + 3_600.0), 1), (Epoch(NOW + 3_600.0), 0)):
        with ThreadPoolExecutor(4) as pool:
            claimed = list(pool.map(lambda other, at=at: retention_of(other).claim(at, 3_000.0), others))
        assert sum(claimed) == expected
    assert retention_of(database).claim(NOW, 3_000.0), "whose clock was an hour ahead keeps nobody away for long"
    for other in others:
        other.close()


def test_a_clock_that_was_ahead_at_a_start_and_is_set_right_within_the_hour_deletes_nothing(database: Database) -> None:
    claim = retention_of(database).claim
    assert claim(NOW, 3_000.0)
    ahead = Epoch(NOW + 365 * DAY)
    assert not claim(ahead, 3_000.0)
    assert claim(Epoch(NOW + 60.0), 3_000.0)
    # Nobody serves for a week, or the clock stays as it is.
    assert [claim(Epoch(NOW + 7 * DAY + at), 3_000.0) for at in (0.0, 60.0, 3_600.0)] == [False, False, True]


def test_a_gateway_that_stops_does_not_wait_for_the_next_round(database: Database) -> None:
    retaining = RetentionWorker(database, lambda: NOW, first_seconds=3_600.0)
    retaining.start()
    closing = threading.Thread(target=retaining.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive(), "it waits for its first round, an hour from now"
