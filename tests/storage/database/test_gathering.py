"""The cursor that runs PostgreSQL's inserts as one statement."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from storage.database.engine import open_database
from storage.database.gathering import GatheringCursor
from storage.errors import RecordRefused
from storage.stores.tasks import NewTask, Tasks
from storage.tables import arms, budgets, decisions, tasks
from storage.writing.transaction import Transactions
from tests.support.records import BUDGETED, NOW, RecordMaker, learn_scores, pace


class CountingCursor:
    """Notes the statements that a cursor runs."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.ran: list[str] = []

    def execute(self, operation: str, parameters: Sequence[object] = (), /) -> object:
        self.ran.append(operation)
        return self._cursor.execute(operation, parameters or None)

    def copy(self, operation: str) -> Any:
        """Begin a COPY."""
        self.ran.append(operation)
        return self._cursor.copy(operation)

    def fetchall(self) -> Sequence[Any]:
        """Fetch all rows."""
        rows: Sequence[Any] = self._cursor.fetchall()
        return rows


def test_inserts_run_as_one_statement_in_their_order_and_before_what_comes_after(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    with database.engine.connect() as connection:
        cursor = CountingCursor(connection.connection.cursor())
        cursor.execute("CREATE TEMPORARY SEQUENCE turns")
        tables = ("third", "first", "second")
        for table in tables:
            cursor.execute(f"CREATE TEMPORARY TABLE {table} (value int UNIQUE, turn int DEFAULT nextval('turns'))")
        raw = CountingCursor(psycopg.RawCursor(connection.connection.driver_connection))  # type: ignore[arg-type]
        gathering = GatheringCursor(cursor, raw, {"SELECT nextval('turns')"})
        cursor.ran.clear()
        for table in ("first", "second"):
            gathering.execute(f"INSERT INTO {table} (value) SELECT unnest(%s::int[]) ON CONFLICT DO NOTHING", ([7, 8],))
        gathering.execute("SELECT nextval('turns')")
        gathering.execute("INSERT INTO third (value) VALUES (%s)", (9,))
        assert cursor.ran == []
        gathering.execute("SELECT value, turn FROM first UNION ALL SELECT * FROM second UNION ALL SELECT * FROM third")
        assert sorted(gathering.fetchall(), key=lambda row: row[1]) == [(7, 1), (8, 2), (7, 3), (8, 4), (9, 6)]
        gathering.flush()
        assert (len(cursor.ran), len(raw.ran)) == (1, 1)
    database.close()


def test_a_request_takes_one_statement_of_postgresql_and_a_group_one_more_than_copies(postgresql_url: str) -> None:
    database, making = open_database(postgresql_url), RecordMaker()
    transactions = Transactions(database, learn_scores, pace)
    transactions.write([making.completion()])
    assert transactions._direct is not None
    counting = transactions._direct.cursor = CountingCursor(transactions._direct.cursor)
    raw = transactions._direct.raw_cursor = CountingCursor(transactions._direct.raw_cursor)
    transactions.write([making.completion(attempts=3, choice=b"another"), making.completion()])
    assert (len(counting.ran), len(raw.ran)) == (0, 1)
    assert transactions._direct.connection.autocommit  # and it is all of the transaction
    scored = making.completion()
    transactions.write([scored, (making.score(scored.decision.completion_id, 0.5),)])
    assert [each.split()[0] for each in counting.ran] == ["SELECT", "SELECT"]
    assert [each.split()[0] for each in raw.ran] == ["WITH"] * 3
    counting.ran.clear()
    raw.ran.clear()
    transactions.write([making.completion(choice=b"third") for _ in range(40)])
    assert [" ".join(each.split()[:2]) for each in counting.ran] == ["COPY choices", "COPY decisions", "COPY attempts"]
    assert len(raw.ran) == 1
    transactions.close()
    database.close()


def test_what_must_be_read_or_updated_for_a_request_is_committed_with_it_or_not_at_all(postgresql_url: str) -> None:
    database, making = open_database(postgresql_url), RecordMaker()
    Tasks(database).admit([NewTask("rtr_a", "stated", NOW)])
    transactions = Transactions(database, learn_scores, pace)
    transactions.write([making.completion()])
    for record in (making.completion(BUDGETED), making.completion(task="stated", at=NOW + 5_000.0)):
        damaged = replace(record, attempts=(replace(record.attempts[0], seconds=-1.0),))
        for broken in (damaged, replace(record, decision=replace(record.decision, u=7.0))):
            with pytest.raises(RecordRefused):
                transactions.write([broken])
        with database.read() as connection:
            for table in (arms, budgets, decisions):
                own = table.c.router_id == BUDGETED
                assert connection.execute(select(func.count()).select_from(table).where(own)).scalar_one() == 0
            assert connection.execute(select(tasks.c.last_used_at)).scalars().all() == [NOW]
            assert connection.execute(select(func.count()).select_from(decisions)).scalar_one() == 1
    transactions.write([making.completion(BUDGETED)])
    transactions.write([making.completion(task="stated", at=NOW + 5_000.0)])
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(budgets)).scalar_one() == 1
        assert connection.execute(select(tasks.c.last_used_at)).scalars().all() == [NOW + 5_000.0]
    transactions.close()
    database.close()


def test_a_cursor_whose_statement_is_a_transaction_refuses_another_one(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    with database.engine.connect() as connection:
        cursor = CountingCursor(connection.connection.cursor())
        gathering = GatheringCursor(cursor, cursor, alone=True)
        gathering.execute("INSERT INTO tasks VALUES (1)")
        with pytest.raises(RuntimeError, match="a transaction of its own"):
            gathering.execute("UPDATE tasks SET last_used_at = 0")
        assert cursor.ran == []
    database.close()
