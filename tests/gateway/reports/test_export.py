"""Exports hold every row and column, are whole or absent, and keep memory constant."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.reports.export import BOOLEANS, FLOATS, INTEGERS, ExportError, write, write_file
from storage.tables import decisions
from tests.support.memory import least_peak

ROW: dict[str, object] = {
    "completion_id": "req_1",
    "task": "a,b\n“c”",
    "at": 1.5,
    "attempts": 2,
    "randomised": True,
    "score": None,
}


def rows(count: int) -> Iterator[dict[str, object]]:
    return ({**ROW, "completion_id": f"req_{number}"} for number in range(count))


def test_csv_and_json_lines_hold_every_value() -> None:
    text, lines = io.BytesIO(), io.BytesIO()
    assert write(rows(3), "csv", text) == write(rows(3), "jsonl", lines) == 3
    read = list(csv.DictReader(io.StringIO(text.getvalue().decode(), newline="")))
    assert [row["completion_id"] for row in read] == ["req_0", "req_1", "req_2"]
    assert read[0]["task"] == ROW["task"]
    assert json.loads(lines.getvalue().splitlines()[0]) == {**ROW, "completion_id": "req_0"}


def test_parquet_keeps_types_even_where_the_first_rows_are_empty(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    assert write_file(({**row, "score": 0.5 if at else None} for at, row in enumerate(rows(2))), "parquet", path) == 2
    assert parquet.read_table(path).to_pylist() == [
        {**ROW, "completion_id": "req_0"},
        {**ROW, "completion_id": "req_1", "score": 0.5},
    ]


def test_every_column_of_the_ledger_has_its_type_in_parquet() -> None:
    kinds = {"DOUBLE": FLOATS, "BIGINT": INTEGERS, "INTEGER": INTEGERS, "BOOLEAN": BOOLEANS}
    for column in decisions.c:
        for kind, names in kinds.items():
            if str(column.type) == kind:
                assert column.name in names, column.name


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, object]]:
        yield ROW
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        write_file(broken(), "csv", tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="can't be written"):
        write_file(rows(1), "csv", tmp_path / "none" / "a.csv")
    with pytest.raises(ExportError, match="nothing to export"):
        write_file(rows(0), "csv", tmp_path / "a.csv")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_rows(form: str) -> None:
    class Nowhere(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            return len(data) if isinstance(data, bytes | memoryview) else 0

    def peak(count: int) -> int:
        return least_peak(
            lambda: write(rows(count), form, Nowhere())  # type: ignore[arg-type]  # a raw stream is a binary one
        )

    assert peak(5_000) < 2 * peak(50) + 100_000
