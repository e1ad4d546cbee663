"""`records`: what the database refused, as an operator sees it and writes it again."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.commands import app
from storage.database.engine import Database, open_database
from storage.records import CompletionRecord, Content
from storage.stores.ledger import Ledger
from storage.stores.refused import RefusedRecords
from tests.support.records import RecordMaker

REASON = "the database refuses this record: CHECK constraint failed"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.chdir(tmp_path)
    database = open_database("sqlite:///bandit-gateway.db")
    yield database
    database.close()


@pytest.fixture
def record() -> CompletionRecord:
    return RecordMaker().completion(content=Content(b"asked", b"said"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["records", *arguments])


def test_refused_records_are_listed_shown_and_written_again(database: Database, record: CompletionRecord) -> None:
    completion_id = record.decision.completion_id
    assert "no record was refused" in run("list").output
    RefusedRecords(database).put(record, REASON)
    assert completion_id in run("list").stdout
    (listed,) = json.loads(run("list", "--json").stdout)
    assert (listed["completion_id"], listed["router_id"], listed["reason"]) == (completion_id, "rtr_a", REASON)
    shown = json.loads(run("show", completion_id).stdout)
    assert (shown["reason"], shown["request"], shown["answer"]) == (REASON, "asked", "said")
    assert shown["attempts"][0]["model_id"] == shown["outcome"]["model_id"] == "m/one"
    assert "1 of 1 records are written" in run("retry").output
    view = Ledger(database).decision(completion_id)
    assert view is not None
    assert (view.outcome, view.attempts) == (record.outcome, record.attempts)
    assert RefusedRecords(database).count() == 0


def test_what_is_refused_again_stays_and_says_why(database: Database, record: CompletionRecord) -> None:
    wrong = replace(record, outcome=replace(record.outcome, seconds=math.nan))
    RefusedRecords(database).put(wrong, REASON)
    ran = run("retry", record.decision.completion_id)
    assert ran.exit_code == 1
    assert "0 of 1 records are written" in ran.output
    assert f"{record.decision.completion_id}: the database refuses this record" in ran.output
    assert RefusedRecords(database).count() == 1


@pytest.mark.parametrize("command", ["show", "retry"])
def test_an_unknown_id_is_told(database: Database, command: str) -> None:
    ran = run(command, "req_none")
    assert ran.exit_code == 1
    assert "there is no refused record req_none; `bandit-gateway records list` shows all" in ran.output
