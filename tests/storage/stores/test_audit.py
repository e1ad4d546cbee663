"""The audit trail keeps changes as they were made, the latest first."""

import dataclasses

import pytest

from storage.database.engine import Database
from storage.errors import InvalidCursor
from storage.records import Actor, AuditRecord, Via
from storage.stores.audit import Audit, AuditPage, record_change
from tests.support.records import NOW

FIRST = AuditRecord("chg_1111", NOW, Actor(Via.CLI), "router.create", "rtr_a", {}, {"name": "A"})
SECOND = AuditRecord(
    "chg_2222",
    NOW + 1,
    Actor(Via.API, "key_1", "req_1"),
    "router.update",
    "rtr_a",
    {"name": "A"},
    {"name": "ü", "x": None},
)
THIRD = AuditRecord("chg_3333", NOW + 2, Actor(Via.FILE), "key.revoke", "key_9")


def test_changes_are_read_back_as_they_were_made_page_by_page(database: Database) -> None:
    with database.write() as connection:
        for record in (FIRST, SECOND, THIRD):
            record_change(connection, record)
    trail = Audit(database)
    assert trail.page(2) == AuditPage((THIRD, SECOND), "chg_2222")
    assert trail.page(2, before="chg_2222") == AuditPage((FIRST,), None)
    assert trail.page(1, target="rtr_a") == AuditPage((SECOND,), "chg_2222")
    for wrong in ("", "zzz", "chg_", "req_1111", "chg_2222'"):
        with pytest.raises(InvalidCursor):
            trail.page(2, before=wrong)
    assert (trail.get("chg_2222"), trail.get("chg_9999")) == (SECOND, None)


def test_a_change_that_was_taken_back_says_by_which(database: Database) -> None:
    with database.write() as connection:
        record_change(connection, None)
        record_change(connection, FIRST)
        record_change(connection, dataclasses.replace(SECOND, reverts="chg_1111"))
    assert Audit(database).page(9, targets=("rtr_a",)).records == (
        SECOND,
        dataclasses.replace(FIRST, reverted_by="chg_2222"),
    )
    assert Audit(database).page(9, targets=()).records == ()
