"""A management call with an `Idempotency-Key` is done once, whichever process it comes to."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from storage.database.engine import Database
from storage.records import Actor, AuditRecord, Via
from storage.stores.audit import record_change
from storage.stores.idempotency import (
    KEPT_SECONDS,
    RUNNING_SECONDS,
    FormerCall,
    Idempotency,
    IdempotentCall,
    KeptAnswer,
)
from tests.support.records import NOW

CALL = IdempotentCall("key_1", "once", "d1", "req_1", NOW)
ANSWER = KeptAnswer(201, {"location": "/admin/x"}, b"{}")
LATER = NOW + RUNNING_SECONDS + 1


@pytest.fixture
def calls(database: Database) -> Idempotency:
    return Idempotency(database)


def test_an_answer_is_kept_for_a_day_and_for_its_own_key_alone(calls: Idempotency) -> None:
    assert calls.claim(CALL) is None
    calls.keep(CALL, ANSWER)
    again = replace(CALL, request_id="req_2", digest="d2", at=NOW + KEPT_SECONDS - 1)
    assert calls.claim(again) == FormerCall("d1", ANSWER)
    assert calls.claim(replace(again, key_id="key_2")) is None
    assert calls.claim(replace(again, at=NOW + KEPT_SECONDS + 1)) is None


def test_of_calls_at_the_same_time_one_is_done(calls: Idempotency) -> None:
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda number: calls.claim(replace(CALL, request_id=f"req_{number}")), range(8)))
    assert sorted(claimed, key=repr) == [FormerCall("d1")] * 7 + [None]


def test_a_call_that_failed_gives_its_name_free(calls: Idempotency) -> None:
    calls.claim(CALL)
    calls.release(replace(CALL, request_id="req_other"))
    assert calls.claim(replace(CALL, request_id="req_2")) == FormerCall("d1")
    calls.release(CALL)
    assert calls.claim(replace(CALL, request_id="req_2")) is None


def test_a_process_that_died_before_its_change_gives_way_after_a_minute(calls: Idempotency) -> None:
    calls.claim(CALL)
    assert calls.claim(replace(CALL, request_id="req_2", at=NOW + 1)) == FormerCall("d1")
    assert calls.claim(replace(CALL, request_id="req_2", at=LATER)) is None
    calls.keep(CALL, ANSWER)  # the first one lives after all, and is too late
    assert calls.claim(replace(CALL, request_id="req_3", at=LATER)) == FormerCall("d1")


def test_a_process_that_died_after_its_change_does_not_let_it_be_done_again(
    calls: Idempotency, database: Database
) -> None:
    calls.claim(CALL)
    with database.write() as connection:
        record_change(connection, AuditRecord("chg_1", NOW, Actor(Via.API, "key_1", "req_1"), "router.create", "rtr"))
    calls.release(CALL)  # the database did not answer to the commit, which took place
    assert calls.claim(replace(CALL, request_id="req_2", at=LATER)) == FormerCall("d1", change_id="chg_1")
