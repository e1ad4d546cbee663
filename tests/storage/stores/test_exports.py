"""What is exported of a router, besides its requests."""

import csv
import io
import json
from pathlib import Path

import pytest

from gateway.reports.export import BOOLEANS, FLOATS, INTEGERS, write, write_file
from storage.database.engine import Database
from storage.stores.exports import EXPORTS
from storage.stores.ledger import Ledger
from tests.support.records import RecordMaker, RunningWriter


@pytest.fixture
def exported(database: Database, running: RunningWriter, making: RecordMaker) -> dict[str, list[dict[str, object]]]:
    answered = making.completion()
    running.write(answered, making.completion("rtr_other"))
    running.write((making.score(answered.decision.completion_id, 0.5, comment="fine", metadata={"by": "ann"}),))
    return {what: list(Ledger(database).export("rtr_a", what)) for what in EXPORTS}


def test_a_router_is_exported_with_attempts_feedback_and_spend(exported: dict[str, list[dict[str, object]]]) -> None:
    (request,), tried = exported["requests"], exported["attempts"]
    (given,), spent = exported["feedback"], exported["spend"]
    assert [row["number"] for row in tried] == list(range(1, len(tried) + 1))
    assert {row["completion_id"] for row in tried} == {request["completion_id"], given["completion_id"]}
    assert (given["score"], given["current"], given["comment"]) == (0.5, True, "fine")
    assert json.loads(str(given["metadata"])) == {"by": "ann"}
    assert {row["router_id"] for row in [request, given, *spent]} == {"rtr_a"}
    assert sum(float(str(row["cost_usd"])) for row in spent) == pytest.approx(request["cost_usd"])


@pytest.mark.parametrize("what", sorted(EXPORTS))
def test_each_table_is_written_in_every_format(
    exported: dict[str, list[dict[str, object]]], what: str, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = exported[what]
    text, lines = io.BytesIO(), io.BytesIO()
    assert write(rows, "csv", text) == write(rows, "jsonl", lines) == len(rows)
    assert next(csv.DictReader(io.StringIO(text.getvalue().decode(), newline=""))).keys() == rows[0].keys()
    assert [json.loads(line) for line in lines.getvalue().splitlines()] == rows
    write_file(rows, "parquet", tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet").to_pylist() == rows
    for kind, names in ((float, FLOATS), (int, INTEGERS), (bool, BOOLEANS)):
        for row in rows:
            assert {name for name, value in row.items() if type(value) is kind} <= names
