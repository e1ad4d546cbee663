"""Replay data is read from Parquet and CSV alike, and what is wrong in a file is named with its place."""

import csv
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from benchmarks.replay.data import BadData, ReplayData, load

HEADER = ["prompt_id", "prompt", "task", "model", "quality", "cost_usd", "latency_s"]
ROWS = [
    ["p2", "Hi", "chat", "b/large", "0.9", "0.004", "2.0"],
    ["p1", "Sum, please: 1+1", "maths", "a/small", "0.5", "0.001", "0.5"],
    ["p1", "Sum, please: 1+1", "maths", "b/large", "1.0", "0.003", "1.5"],
    ["p2", "Hi", "chat", "a/small", "0.7", "0.002", "0.4"],
]


def write(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def check(data: ReplayData) -> None:
    assert data.models == ("a/small", "b/large")
    assert data.prompts == ("Hi", "Sum, please: 1+1")
    assert data.tasks == ("chat", "maths")
    np.testing.assert_array_equal(data.quality, [[0.7, 0.9], [0.5, 1.0]])
    np.testing.assert_array_equal(data.cost_usd, [[0.002, 0.004], [0.001, 0.003]])
    assert data.latency_s is not None
    np.testing.assert_array_equal(data.latency_s, [[0.4, 2.0], [0.5, 1.5]])
    assert data.completion_tokens is None


def test_rows_of_a_csv_become_arrays_whatever_their_order(tmp_path: Path) -> None:
    check(load(write(tmp_path / "set.csv", HEADER, ROWS)))


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    columns = {name: [row[k] for row in ROWS] for k, name in enumerate(HEADER)}
    table = {name: [float(x) for x in texts] if k > 3 else texts for k, (name, texts) in enumerate(columns.items())}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "set.parquet")
    data = load(tmp_path / "set.parquet")
    check(data)
    assert data.name == "set"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, rows: header.__setitem__(4, "grade"), "column 'quality' is missing"),
        (
            lambda header, rows: rows[1].__setitem__(4, "nan"),
            "quality must be a number, from 0 to 1, not 'nan' in row 2",
        ),
        (lambda header, rows: rows[2].__setitem__(4, "7"), "quality must be a number, from 0 to 1, not '7' in row 3"),
        (lambda header, rows: rows[0].__setitem__(5, "-1"), "cost_usd must be a number, 0 or more, not '-1' in row 1"),
        (lambda header, rows: rows[0].__setitem__(5, "dear"), "cost_usd must be a number"),
        (lambda header, rows: rows[0].__setitem__(6, ""), "latency_s must be a number"),
        (lambda header, rows: rows[0].__setitem__(3, ""), "model is empty in row 1"),
        (lambda header, rows: rows.append(list(rows[0])), "prompt 'p2' has 2 rows of model 'b/large'"),
        (lambda header, rows: rows.pop(), "prompt 'p2' has no row of model 'a/small'"),
        (lambda header, rows: rows[0].__setitem__(2, "code"), "prompt 'p2' has the tasks"),
        (lambda header, rows: rows[0].pop(), "row 1 has 6 fields, the header 7"),
        (lambda header, rows: rows.clear(), "there are no rows"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    header, rows = list(HEADER), [list(row) for row in ROWS]
    change(header, rows)
    with pytest.raises(BadData, match=message):
        load(write(tmp_path / "set.csv", header, rows))


def test_files_that_are_no_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    for name, message in (
        ("x.parquet", "is no Parquet file"),
        ("x.csv", "is no CSV in UTF-8"),
        ("x.txt", "must end in .parquet or .csv"),
        ("gone.csv", "cannot be read"),
    ):
        with pytest.raises(BadData, match=message):
            load(tmp_path / name)
