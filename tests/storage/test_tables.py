"""The schema that an administrator sees: checks, comments, types."""

import logging
import math
import re
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Connection, Table, inspect, text, update
from sqlalchemy.exc import IntegrityError

from bandit.types import Epoch
from storage.database import schema
from storage.database.engine import Database, connect, open_database
from storage.database.months import first_id
from storage.records import FeedbackStatus
from storage.stores.ledger import Ledger
from storage.tables import attempts, decisions, eval_scores, feedback, metadata, router_models, scores
from tests.support.databases import insert_row
from tests.support.records import NOW, RecordMaker, RunningWriter


def checks_of(connection: Connection, table: Table) -> dict[str, str]:
    """The conditions of a table's checks by name, without what PostgreSQL adds to them."""
    if connection.dialect.name == "sqlite":
        found = inspect(connection).get_check_constraints(table.name)
        return {str(each["name"]): bare(each["sqltext"]) for each in found}
    of_table = "contype = 'c' AND conrelid = to_regclass(:name)"
    query = text(f"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE {of_table}")  # noqa: S608
    rows = connection.execute(query, {"name": table.name})
    return {name: bare(condition) for name, condition in rows}


def bare(condition: str) -> str:
    """A condition's names and values, in order, without repeats: PostgreSQL rewrites BETWEEN, and says IN for OR."""
    words = re.findall(r"'[a-z]\w*'|\b[a-z_]+\b", condition.replace("::text", "").replace("::double precision", ""))
    skipped = {"and", "or", "double", "precision", "between", "in", "any", "array", "text", "numeric", "check"}
    return " ".join(dict.fromkeys(word for word in words if word not in skipped))


def test_the_databases_have_the_checks_of_the_code(database: Database) -> None:
    counted = 0
    with database.read() as connection:
        for table in metadata.sorted_tables:
            own = {str(c.name): bare(str(c.sqltext)) for c in table.constraints if isinstance(c, CheckConstraint)}
            assert checks_of(connection, table) == own
            counted += len(own)
    assert counted > 15


def test_sqlite_builds_no_list_of_values_to_check_a_row_of_the_ledger(tmp_path: Path) -> None:
    """`IN` with more than two values takes an index of them, built anew by each statement."""
    database = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.read() as connection:
        for table in (decisions, attempts, feedback):
            insert = f"INSERT INTO {table.name} DEFAULT VALUES"
            steps = connection.exec_driver_sql(f"EXPLAIN {insert}").all()
            assert "OpenEphemeral" not in {step[1] for step in steps}
    database.close()


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (decisions, {"cost_usd": -1.0}),
        (decisions, {"cost_usd": math.inf}),
        (decisions, {"cost_usd": math.nan}),
        (decisions, {"at": 1e12}),
        (decisions, {"ended_at": -1.0}),
        (decisions, {"seconds": -0.1}),
        (decisions, {"propensity": 1.1}),
        (decisions, {"u": -0.1}),
        (decisions, {"prompt_tokens": -1}),
        (decisions, {"status": "fine"}),
        (decisions, {"http_status": 0}),
        (attempts, {"ending": "tired"}),
        (attempts, {"number": 0}),
        (attempts, {"cached_tokens": -1}),
        (attempts, {"first_token_seconds": math.inf}),
        (feedback, {"score": 1.5}),
        (feedback, {"status": "lost"}),
        (scores, {"score": math.nan}),
        (router_models, {"min_share": 1.5}),
        (eval_scores, {"score": -0.5}),
    ],
    ids=lambda value: value.name if isinstance(value, Table) else str(value),
)
def test_what_no_gateway_writes_is_refused(
    database: Database, running: RunningWriter, making: RecordMaker, table: Table, values: dict[str, object]
) -> None:
    answered = making.completion()
    running.write(answered)
    running.write((making.score(answered.decision.completion_id, 0.5),))
    with database.engine.connect() as connection, connection.begin() as transaction:
        if table in (router_models, eval_scores):
            insert_row(connection, "routers", {"id": "rtr_a"})
            parent = {"router_id": "rtr_a"} if table is router_models else {"import_id": "imp_1"}
            insert_row(connection, table.name, {**parent, "model_id": "m"})
        with pytest.raises(IntegrityError):
            connection.execute(update(table).values(values))
        transaction.rollback()


def test_rows_of_an_older_version_that_fail_a_check_stay(empty_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = connect(empty_url, "normal")
    old, new = (f"{first_id(at)}{0:020x}" for at in (NOW, Epoch(NOW + 1.0)))
    row = {"completion_id": old, "router_id": "rtr_a", "status": "answered", "learned": "{}", "http_status": 200}
    with database.write() as connection:
        schema.upgrade(connection, "0009")
        insert_row(connection, "decisions", {**row, "cost_usd": -1.0})
        noted = {"completion_id": old, "status": "recorded", "score": 0.5, "source": "user"}
        insert_row(connection, "feedback", {**noted, "id": "fbk_1", "metadata": r'{"a": "x\u0000y", "b": "\\u0000"}'})
    database.close()
    with caplog.at_level(logging.WARNING):
        database = open_database(empty_url)
    assert ("fail a check" in caplog.text) == (not database.sqlite)
    view = Ledger(database).decision(old)
    assert view is not None
    assert view.outcome.cost_usd == -1.0
    said = view.feedback[0].metadata
    assert said == {"a": "x\x00y" if database.sqlite else "x\ufffdy", "b": "\\u0000"}
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        insert_row(connection, "decisions", {**row, "completion_id": new, "cost_usd": -1.0})
    database.close()


def test_a_connection_that_was_open_during_the_migration_has_the_checks_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database = connect(url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0009")
    old = sqlite3.connect(tmp_path / "ledger.db")
    insert = "INSERT INTO scores (completion_id, source, score, feedback_id) VALUES (?, 'user', ?, 'fbk_1')"
    old.execute(insert, ("req_1", 0.5))
    old.commit()
    open_database(url).close()
    with pytest.raises(sqlite3.IntegrityError, match="ck_scores_score"):
        old.execute(insert, ("req_2", 7.0))
    assert old.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    old.close()
    database.close()


def test_postgresql_shows_the_comments_of_the_code(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    with database.read() as connection:
        for table in metadata.sorted_tables:
            assert table.comment
            assert inspect(connection).get_table_comment(table.name)["text"] == table.comment
            found = {column["name"]: column["comment"] for column in inspect(connection).get_columns(table.name)}
            assert found == {column.name: column.comment for column in table.columns}
            assert all(found.values()), table.name
    database.close()


def test_metadata_of_a_score_can_be_queried_whatever_it_holds(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    answered = making.completion()
    running.write(answered)
    completion_id = answered.decision.completion_id
    noted = making.score(completion_id, 0.5, metadata={"reviewer": "ann", "odd": "\x00", "deep": [{"\x00": 1.0}]})
    again = making.score(completion_id, 0.5, metadata={"reviewer": "ann", "odd": "\x00", "deep": [{"\x00": 1}]})
    other = making.score(completion_id, 0.5, metadata={"reviewer": "bob"})
    receipts = [running.write((record,))[0][0] for record in (noted, again, other)]
    assert [receipt.status for receipt in receipts] == [
        FeedbackStatus.RECORDED,
        FeedbackStatus.UNCHANGED,
        FeedbackStatus.UNCHANGED,
    ]
    assert [receipt.id for receipt in receipts] == [noted.id, noted.id, other.id], "the same note is stored once"
    with database.read() as connection:
        reviewers = connection.execute(text("SELECT metadata ->> 'reviewer' FROM v_feedback ORDER BY at")).scalars()
        assert reviewers.all() == ["ann", "bob"]
    view = Ledger(database).decision(completion_id)
    assert view is not None
    assert view.feedback[0].metadata == {"reviewer": "ann", "odd": "\ufffd", "deep": [{"\ufffd": 1.0}]}


def test_the_page_shows_the_columns_of_the_main_tables() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")
    for table in (decisions, attempts, feedback, scores):
        _, _, shown = page.partition(f'Partitioned table "bandit_gateway.{table.name}"')
        rows = [
            [cell.strip() for cell in row.split("|")] for row in shown.partition("```")[0].splitlines() if "|" in row
        ]
        said = {row[0]: row[-1] for row in rows[1:]}
        assert said == {column.name: column.comment for column in table.columns}
