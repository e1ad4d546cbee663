"""Activity of many keys and routers is told in bounded time."""

import pytest

from gateway.catalog.catalog import Catalog
from gateway.errors import BadRequest
from gateway.management import activity
from gateway.management.activity import ActivityQuestion, of_keys, overview
from gateway.management.activity_window import Window
from gateway.management.context import Management
from storage.calendar import HOUR
from storage.database.engine import Database
from storage.records import Actor, RouterRecord, Via
from storage.stores.routers import Routers
from storage.writing.transaction import Transactions
from tests.support.records import NOW, RecordMaker, learn_scores, pace


def no_catalog() -> Catalog:
    raise AssertionError("activity needs no catalog")


@pytest.fixture
def management(database: Database) -> Management:
    for router_id in ("rtr_a", "rtr_b"):
        Routers(database).put(RouterRecord(router_id, "A", b"s" * 32, {}, (), NOW, NOW))
    return Management(database, no_catalog, Actor(Via.CLI), NOW + HOUR, "http://x")


def hours(count: int, seconds: int | None = HOUR) -> Window:
    return Window(from_=repr(NOW + (1 - count) * HOUR), to=repr(NOW + HOUR), bucket_seconds=seconds)


def test_all_keys_are_summed_and_those_that_spent_most_are_told_by_bucket(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, batches = RecordMaker(), Transactions(management.database, learn_scores, pace)
    batches.write(
        [
            making.completion("rtr_a", at=NOW, key_id=f"key_{number % 3}", cost_usd=0.1 * (number % 3))
            for number in range(6)
        ]
    )
    batches.close()
    monkeypatch.setattr(activity, "MOST_SERIES", 2)
    keys = of_keys(management, hours(24, 86_400), ()).keys
    assert [(key.api_key_id, key.requests, len(key.series)) for key in keys] == [
        ("key_2", 2, 1),
        ("key_1", 2, 1),
        ("key_0", 2, 0),
    ]


def test_minutes_of_all_keys_are_told_for_some_hours_and_of_named_ones_for_longer(management: Management) -> None:
    assert of_keys(management, hours(5), ()).bucket_seconds == HOUR
    with pytest.raises(BadRequest, match="up to 6 hours: name some"):
        of_keys(management, hours(24), ())
    assert of_keys(management, hours(24), ("key_1",)).bucket_seconds == HOUR
    assert of_keys(management, hours(24, None), ()).bucket_seconds == 86_400, "the default is one that can be told"


def test_hours_of_many_routers_are_told_for_a_shorter_time(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MOST_ROUTER_HOURS", 100)
    assert overview(management, hours(48), ActivityQuestion()).bucket_seconds == HOUR
    with pytest.raises(BadRequest, match="up to 50 hours of 2 routers together: name one"):
        overview(management, hours(60), ActivityQuestion())
    assert overview(management, hours(90), ActivityQuestion(router_id="rtr_a")).bucket_seconds == HOUR
    with pytest.raises(BadRequest, match="classes"):
        overview(management, hours(240, 86_400), ActivityQuestion(task="code"))
