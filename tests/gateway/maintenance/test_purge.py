"""A router's requests are erased for good while gateways write, and the trail says that they were."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from bandit.types import Epoch
from gateway.maintenance.purge import purge_router
from gateway.maintenance.rebuild import rebuild_of
from storage.database.engine import Database
from storage.maintenance.retention import DELETED_AT_ONCE, Retention
from storage.records import Actor, CompletionRecord, Content, RouterModel, RouterRecord, Via
from storage.stores.arms import Arms
from storage.stores.audit import Audit
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.tables import choices
from tests.support.records import NOW, RecordMaker, RunningWriter, later

SECRET = b"my name is Ann and I live in"
ROUTER = RouterRecord("rtr_a", "A", b"s" * 32, {}, (RouterModel("m/one"),), NOW, NOW)
BEFORE = later(1_000_000.0)
ACTOR = Actor(Via.CLI)
COUNT = DELETED_AT_ONCE + 10


@pytest.fixture
def filled(database: Database) -> Database:
    """Two routers with requests whose contents are kept."""
    running, making = RunningWriter(database), RecordMaker()
    for router_id in ("rtr_a", "rtr_b"):
        Routers(database).put(replace(ROUTER, id=router_id))
    content = Content(SECRET * 400, SECRET)
    records = [making.completion("rtr_a", content=content, deltas={}) for _ in range(COUNT)]
    other = making.completion("rtr_b", content=Content(b"asked", b"said"), deltas={})
    running.write(*records, other)
    running.write((making.score(records[0].decision.completion_id, 0.5, comment=SECRET.decode()),))
    running.writer.close()
    with database.write() as connection:
        connection.execute(text("DELETE FROM arms"))
    rebuild_of(database).run()
    return database


def requests_of(database: Database, router_id: str) -> int:
    return sum(1 for _ in Ledger(database).export(router_id))


@pytest.mark.parametrize("deleted", [False, True])
def test_all_requests_of_a_router_are_erased_in_pieces_and_what_was_learned_stays(
    filled: Database, deleted: bool
) -> None:
    if deleted:
        Routers(filled).delete("rtr_a", NOW)
    before = Arms(filled).sums()
    told: list[int] = []
    assert purge_router(filled, "rtr_a", BEFORE, ACTOR, told.append) == COUNT
    assert told[0] == DELETED_AT_ONCE
    assert told[-1] == COUNT
    assert (requests_of(filled, "rtr_a"), requests_of(filled, "rtr_b")) == (0, 1)
    with filled.read() as connection:
        for table, left in (("contents", 1), ("attempts", 1), ("feedback", 0), ("scores", 0)):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == left, table  # noqa: S608
    assert Arms(filled).sums() == before
    assert rebuild_of(filled).check() == []


def test_choices_go_with_the_requests_that_referred_to_them_and_are_stored_again_if_used_again(
    database: Database,
) -> None:
    running, making = RunningWriter(database), RecordMaker()
    Routers(database).put(ROUTER)

    def made(count: int, **values: Any) -> list[CompletionRecord]:
        return [making.completion("rtr_a", choice=f"choice {n}".encode(), **values) for n in range(count)]

    old, late = made(COUNT, at=NOW), made(5, at=later(999_990.0))
    running.write(*old, *late, making.completion("rtr_b", choice=b"another's"))
    running.write(*made(1, at=later(1_000_001.0)))  # after the purge was called; it refers to a choice of before
    assert purge_router(database, "rtr_a", BEFORE, ACTOR, lambda _: None) == COUNT + 5
    with database.read() as connection:
        left = connection.execute(select(choices.c.id, choices.c.router_id)).all()
    assert {row.id for row in left if row.router_id == "rtr_a"} == {late[0].decision.completion_id}
    assert len(left) == 2
    again = made(2, at=later(1_000_002.0))  # the writer had both in its cache
    running.write(*again)
    views = [Ledger(database).decision(record.decision.completion_id) for record in again]
    assert [view and view.decision.choice for view in views] == [b"choice 0", b"choice 1"]
    running.writer.close()


def test_the_trail_says_who_erased_what(filled: Database) -> None:
    purge_router(filled, "rtr_a", BEFORE, ACTOR, lambda _: None)
    done, asked = Audit(filled).page(10).records
    for record, action in ((asked, "router.purge"), (done, "router.purged")):
        assert (record.action, record.target, record.actor) == (action, "rtr_a", ACTOR)
        assert record.after == {"before": BEFORE, "requests": COUNT}


def test_a_purge_that_was_broken_off_goes_on_when_it_is_called_again(filled: Database) -> None:
    def break_off(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge_router(filled, "rtr_a", BEFORE, ACTOR, break_off)
    assert requests_of(filled, "rtr_a") == COUNT - DELETED_AT_ONCE
    assert [record.action for record in Audit(filled).page(10).records] == ["router.purge"]
    assert purge_router(filled, "rtr_a", BEFORE, ACTOR, lambda _: None) == COUNT - DELETED_AT_ONCE


def test_rows_that_a_score_has_locked_are_erased_when_it_is_done(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_some, skipped = Retention.delete_some, iter([True, False, True])

    def skip(self: Retention, router_id: str, before: Epoch, count: int = 5, *, erase: bool = False) -> int:
        return 0 if next(skipped, False) else delete_some(self, router_id, before, count, erase=erase)

    monkeypatch.setattr(Retention, "delete_some", skip)
    assert purge_router(filled, "rtr_a", BEFORE, ACTOR, lambda _: None) == COUNT


def test_nothing_of_an_erased_request_is_left_in_an_sqlite_file(filled: Database) -> None:
    if not filled.sqlite:
        pytest.skip("PostgreSQL removes deleted rows by its own VACUUM")
    files = [Path(filled.where + suffix) for suffix in ("", "-wal")]
    assert any(SECRET in file.read_bytes() for file in files)
    purge_router(filled, "rtr_a", BEFORE, ACTOR, lambda _: None)
    assert not any(SECRET in file.read_bytes() for file in files if file.exists())
