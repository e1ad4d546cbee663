"""The views, and the questions of docs/ledger.md, as analysts ask them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from bandit.types import Ending
from storage.database.engine import Database
from storage.records import RouterModel, RouterRecord, Status
from storage.stores.routers import Routers
from storage.views import VIEWS
from tests.support.records import NOW, RecordMaker, RunningWriter

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.+?)```", PAGE, re.DOTALL)
ASKED = {"since": NOW - 60.0, "until": NOW + 86_400.0, "key": "key_1"}


@pytest.fixture
def filled(database: Database, running: RunningWriter, making: RecordMaker) -> Database:
    """Twenty answers, of which one is scored twice, and a failure."""
    router = RouterRecord("rtr_a", "support", b"s" * 32, {}, (RouterModel("m/one"),), NOW, NOW)
    Routers(database).put(router)
    answers = [making.completion() for _ in range(20)]
    other = making.completion()
    failed = replace(other, outcome=replace(other.outcome, status=Status.FAILED, model_id=None), deltas={})
    failed = replace(failed, attempts=(replace(other.attempts[0], ending=Ending.TIMEOUT),))
    running.write(*answers, failed)
    for score in (0.25, 0.75):
        running.write((making.score(answers[0].decision.completion_id, score, comment="so it is"),))
    return database


def test_there_are_ten_questions() -> None:
    assert len(QUERIES) == 10


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_every_query_of_the_page_runs_on_both_databases(filled: Database, number: int) -> None:
    query = QUERIES[number].strip().rstrip(";")
    with filled.read() as connection:
        rows = connection.execute(text(query), {k: v for k, v in ASKED.items() if f":{k}" in query}).all()
    assert rows, query


def test_the_page_names_the_columns_of_the_views(database: Database) -> None:
    with database.read() as connection:
        for view in VIEWS:
            columns = [column["name"] for column in inspect(connection).get_columns(view)]
            (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{view}` |"))
            assert re.findall(r"`(\w+)`", row)[1:] == columns


def test_the_views_say_what_the_tables_say(filled: Database) -> None:
    with filled.read() as connection:
        requests = connection.execute(text("SELECT * FROM v_requests ORDER BY completion_id")).mappings().all()
        given = connection.execute(text("SELECT * FROM v_feedback ORDER BY at")).mappings().all()
        spend = connection.execute(text("SELECT * FROM v_spend_by_day")).mappings().all()
    assert {row["router"] for row in requests} == {"support"}
    assert [(row["status"], row["score"]) for row in requests] == [
        ("answered", 0.75),
        *[("answered", None)] * 19,
        ("failed", None),
    ]
    assert {str(row["day"]) for row in [*requests, *given, *spend]} == {"2025-10-09"}
    assert [(row["score"], row["status"], bool(row["current"]), row["comment"]) for row in given] == [
        (0.25, "recorded", False, "so it is"),
        (0.75, "updated", True, "so it is"),
    ]
    assert sum(row["answered"] for row in spend) == 20


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM v_requests WHERE key_id = :key AND at >= :since ORDER BY at DESC", "ix_decisions_key_id_at"),
        (  # in a partition PostgreSQL gives the index a name; of an empty one it may take any
            "SELECT * FROM v_requests WHERE status <> 'answered' AND at >= :since",
            "ix_decisions_unanswered|decisions_20\\w+_at_idx",
        ),
        ("SELECT * FROM v_feedback WHERE at >= :since AND at < :until", "ix_feedback_at|feedback_\\w+_at_idx"),
    ],
)
def test_questions_by_key_of_failures_and_of_a_day_use_an_index(filled: Database, query: str, index: str) -> None:
    explain = "EXPLAIN QUERY PLAN " if filled.sqlite else "EXPLAIN "
    with filled.read() as connection:
        if not filled.sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # there are three rows
        asked = {k: v for k, v in ASKED.items() if f":{k}" in query}
        plan = "\n".join(str(row[-1]) for row in connection.execute(text(explain + query), asked))
    assert re.search(index, plan), plan
