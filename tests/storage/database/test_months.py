"""A ledger that exists is partitioned in place: nothing is copied, lost or refused."""

import contextlib
import threading
import time
from itertools import islice

import pytest
from sqlalchemy import text

from bandit.types import Epoch
from storage.database import schema
from storage.database.engine import connect, open_database
from storage.database.months import PARTITIONED, first_id, month_of, read_months, read_suffixes
from storage.errors import DatabaseUnavailable
from storage.stores.ledger import Ledger
from tests.support.databases import insert_row
from tests.support.records import RunningWriter
from tests.support.traffic import make_records
from tests.support.waiting import wait_until

LAST_UNPARTITIONED = "0017"


def old_rows(url: str, at: float) -> str:
    """Rows of a request in a ledger that is not partitioned yet; returns its id."""
    completion_id = f"{first_id(Epoch(at))}{0:020x}"
    database = connect(url, "normal")
    with database.write() as connection:
        if schema.revision_of(connection) is None:
            schema.upgrade(connection, LAST_UNPARTITIONED)
        own = {"completion_id": completion_id}
        request = {"router_id": "rtr_a", "status": "answered", "learned": "{}", "http_status": 200, "at": at}
        insert_row(connection, "decisions", {**own, **request, "choice_id": completion_id})
        insert_row(connection, "choices", {"id": completion_id, "router_id": "rtr_a"})
        insert_row(connection, "attempts", {**own, "number": 1, "ending": "complete"})
        insert_row(connection, "feedback", {**own, "id": f"fbk_{at}", "status": "recorded"})
        insert_row(connection, "scores", {**own, "feedback_id": f"fbk_{at}"})
        insert_row(connection, "contents", {**own, "request": b"asked", "answer": b"said"})
    database.close()
    return completion_id


def counts(url: str, suffix: str) -> dict[str, int]:
    database = open_database(url)
    with database.read() as connection:
        found = {
            table: connection.execute(text(f"SELECT count(*) FROM {table}_{suffix}")).scalar_one()  # noqa: S608
            for table in PARTITIONED
        }
    database.close()
    return found


def test_tables_that_exist_become_the_partition_of_what_was_before(empty_postgresql_url: str) -> None:
    now = time.time()
    old = [old_rows(empty_postgresql_url, at) for at in (1_600_000_000.0, now - 86_400.0, now)]
    ahead = old_rows(empty_postgresql_url, now + 400 * 86_400.0)  # of a clock that is wrong
    assert counts(empty_postgresql_url, "before") == dict.fromkeys(PARTITIONED, 3)
    assert counts(empty_postgresql_url, "other") == dict.fromkeys(PARTITIONED, 1)
    database = open_database(empty_postgresql_url)
    for completion_id in (*old, ahead):
        view = Ledger(database).decision(completion_id)
        assert view is not None
        assert (len(view.attempts), len(view.feedback)) == (1, 1)
        assert Ledger(database).content(completion_id) is not None
    with database.read() as connection:
        months = read_months(connection)
        assert months[0] == month_of(Epoch(now)).next(), "the present month has requests, which stay where they are"
        assert set(read_suffixes(connection)) == {"before", "other", *(month.suffix for month in months)}
    database.close()


def test_a_new_ledger_begins_with_the_present_month(empty_postgresql_url: str) -> None:
    database = open_database(empty_postgresql_url)
    running = RunningWriter(database)
    running.write(*islice(make_records(1), 3))
    running.writer.close()
    with database.read() as connection:
        months = read_months(connection)
        assert len(months) == 3
        query = text(f"SELECT count(*) FROM decisions_{months[0].suffix}")  # noqa: S608
        assert connection.execute(query).scalar() == 3
    database.close()


@pytest.mark.parametrize("table", PARTITIONED)
def test_ids_are_compared_by_bytes(postgresql_url: str, table: str) -> None:
    database = open_database(postgresql_url)
    with database.read() as connection:
        query = "SELECT attcollation::regcollation::text FROM pg_attribute WHERE attrelid = to_regclass(:t) "
        query += "AND attname = :c"
        key = "id" if table == "choices" else "completion_id"
        assert connection.execute(text(query), {"t": table, "c": key}).scalar() == '"C"'
    database.close()


def test_a_lookup_by_id_reads_the_partition_of_its_month_alone(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    with database.read() as connection:
        month = read_months(connection)[0]
        for table in ("decisions", "attempts", "feedback", "scores"):
            query = f"EXPLAIN SELECT * FROM {table} WHERE completion_id = '{month.first_id}'"  # noqa: S608
            plan = "\n".join(connection.execute(text(query)).scalars())
            assert f"{table}_{month.suffix}" in plan
            assert "_other" not in plan
            assert "_before" not in plan
    database.close()


def test_a_ledger_is_partitioned_while_a_writer_writes_and_nothing_is_lost(empty_postgresql_url: str) -> None:
    former = connect(empty_postgresql_url, "normal")
    with former.write() as connection:
        schema.upgrade(connection, LAST_UNPARTITIONED)
    done, written = threading.Event(), list[str]()

    def write() -> None:
        """Write requests as the former version does, each with two attempts in one transaction, again if refused."""
        while not (done.is_set() and len(written) >= 100):
            completion_id = f"{first_id(Epoch(time.time()))}{len(written):020x}"
            with contextlib.suppress(DatabaseUnavailable):  # a table that is locked for longer than a writer waits
                write_once(completion_id)
                written.append(completion_id)

    def write_once(completion_id: str) -> None:
        own = {"completion_id": completion_id}
        with former.write() as connection:
            request = {"router_id": "rtr_a", "status": "answered", "learned": "{}", "http_status": 200}
            insert_row(connection, "decisions", {**own, **request, "at": time.time(), "choice_id": completion_id})
            for number in (1, 2):
                insert_row(connection, "attempts", {**own, "number": number, "ending": "complete"})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: len(written) >= 20, "requests are written before the migration")
        database = open_database(empty_postgresql_url)
    finally:
        done.set()
        writer.join(60)
    with database.read() as connection:
        assert set(connection.execute(text("SELECT completion_id FROM decisions")).scalars()) == set(written)
        assert connection.execute(text("SELECT count(*) FROM attempts")).scalar() == 2 * len(written)
    database.close()
    former.close()
