"""Scorecards are read whole or not at all, and every mistake is told with its line."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evidence.problems import EvidenceError
from gateway.evidence.reading import read_json_lines, read_parquet
from gateway.evidence.rows import Scale, scale_of
from storage.stores.evals import EvalScore
from tests.support.evidence import PERCENT, read_all
from tests.support.memory import least_peak

KNOWN = {"a/one", "a/two"}


def test_scores_come_out_between_zero_and_one() -> None:
    data = b"\xef\xbb\xbfmodel_id,score,notes\r\na/one,80,fine\r\n\r\na/two,12.5,\r\n"
    assert read_all(data, PERCENT, KNOWN) == (
        EvalScore("a/one", 0.8, weight=20.0, notes="fine"),
        EvalScore("a/two", 0.125, weight=20.0),
    )
    assert read_all(b"score,model_id\n-2,a/one\n", Scale("log odds", -4.0, 4.0), KNOWN) == (
        EvalScore("a/one", 0.25, weight=20.0),
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "line 1: the column model_id is missing"),
        (b"model_id,notes\n", "line 1: the column score is missing"),
        (b"model_id,score,price\n", 'line 1: "price" is not a column'),
        (b"model_id,score,score\n", "line 1: the column score stands twice"),
        (b"model_id,score\n", "there are no rows"),
        (b"model_id,score\na/one,good\n", 'line 2: the score must be a number, not "good"'),
        (b"model_id,score\na/one,nan\n", "line 2: the score must be from 0 to 100 (percent), not nan"),
        (b"model_id,score\na/one,101\n", "line 2: the score must be from 0 to 100"),
        (b"model_id,score\na/oen,1\n", 'line 2: there is no model "a/oen"; did you mean "a/one"?'),
        (b"model_id,score\na/one\n", "line 2: has 1 cells and the header 2"),
        (b'model_id,score\n"a/one,1\n', "is not valid CSV"),
        (b"model_id,score\na/one,1\na/\xe9,2\n", "line 3: is not UTF-8 text"),
        (b"m" * 4_000_001, "line 1: has more than 4,000,000 bytes"),
    ],
)
def test_a_mistake_names_its_line_and_the_remedy(data: bytes, problem: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        read_all(data, PERCENT, KNOWN)
    assert problem in caught.value.problems[0]


def test_all_mistakes_are_told_but_not_thousands() -> None:
    with pytest.raises(EvidenceError) as caught:
        read_all(b"model_id,score\n" + b"".join(b"b/%d,x\n" % number for number in range(500)), PERCENT, KNOWN)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "… and 980 more"


def test_known_units_bring_their_range_and_others_must_say_it() -> None:
    assert scale_of("percent", None, None) == PERCENT
    assert scale_of("elo", 800.0, 1_600.0) == Scale("elo", 800.0, 1_600.0)
    with pytest.raises(EvidenceError, match="give min and max"):
        scale_of("elo", 800.0, None)
    for low, high in ((800.0, 800.0), (0.0, math.nan), (-math.inf, 0.0), (-1.7e308, 1.7e308)):
        with pytest.raises(EvidenceError, match="must be finite and rise"):
            scale_of("elo", low, high)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: ("model_id,score\n" + text).encode()))
def test_no_bytes_whatever_break_the_reader(data: bytes) -> None:
    try:
        rows = read_all(data, PERCENT, KNOWN)
    except EvidenceError:
        return
    assert all(0.0 <= row.score <= 1.0 for row in rows)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"model_id": "a/one", "score": NaN}', "is not valid JSON"),
        ('{"model_id": "a/one", "score": "nan"}', "the score must be from 0 to 100 (percent), not nan"),
        ('{"model_id": "a/one", "score": 1e999}', "is not valid JSON"),
        ('{"model_id": "a/one", "score": true}', "the score must be a number"),
        ('["a/one", 1]', "must be an object"),
        (
            '{"model_id": "a/one", "score": 1, "task": "%s"}' % ("x" * 1_000_000),
            "have up to 64 characters, not 1,000,000",
        ),
        ('{"model_id": "a/one", "score": 1, "task": "a\\u0000b"}', "the task must have no control characters"),
        ('{"model_id": "a/one", "score": 1, "cost_usd": -1}', "`cost_usd` must be from 0 to 1e+09, not -1"),
        ('{"model_id": "a/one", "score": 1, "prompt_id": "p", "prompts": 3}', "this row has a prompt_id"),
        ('{"model_id": "a/one", "score": 1, "prompts": 0}', "the number of prompts must be from 1"),
        ('{"model_id": "a/one", "score": 1, "latency": 3}', '"latency" is not a field'),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_a_wrong_row_of_json_lines_is_told_with_what_is_right(line: str, problem: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        read_all(line.encode(), PERCENT, KNOWN, read_json_lines)
    assert problem in caught.value.problems[0]
    assert len(caught.value.problems[0]) < 500


def test_an_evaluation_has_a_bounded_number_of_tasks() -> None:
    lines = "".join(f'{{"model_id": "a/one", "score": 1, "task": "t{number}"}}\n' for number in range(70))
    with pytest.raises(EvidenceError) as caught:
        read_all(lines.encode(), PERCENT, KNOWN, read_json_lines)
    assert caught.value.problems[0] == 'line 65: "t64" is a task too many: an evaluation has up to 64'


def test_rows_and_means_may_stand_in_one_file() -> None:
    header = b"prompt_id,task,model_id,score,prompts,completion_tokens,cost_usd\n"
    data = header + b"p1,code,a/one,100,,20,0.5\n,code,a/two,50,40,,\n"
    assert read_all(data, PERCENT, KNOWN) == (
        EvalScore("a/one", 1.0, "code", "p1", 1.0, 20.0, 0.5),
        EvalScore("a/two", 0.5, "code", weight=40.0),
    )


def test_parquet_is_read_as_the_other_forms_and_another_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"model_id": ["a/one", "a/two"], "score": [80.0, None], "prompt_id": ["p", None]}), file)
    assert list(read_parquet(file)) == [
        (1, {"model_id": "a/one", "score": 80.0, "prompt_id": "p"}),
        (2, {"model_id": "a/two", "score": None, "prompt_id": None}),
    ]
    pq.write_table(pa.table({"model_id": ["a/one"], "stars": [5]}), file)
    with pytest.raises(EvidenceError, match='"stars" is not a column'):
        list(read_parquet(file))
    file.write_bytes(b"PAR1")
    with pytest.raises(EvidenceError, match="is no Parquet file"):
        list(read_parquet(file))


def test_a_large_cell_of_many_rows_that_parquet_holds_once_does_not_fill_the_memory(tmp_path: Path) -> None:
    file, rows = tmp_path / "rows.parquet", 2_000
    task = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"model_id": ["a/one"] * rows, "score": [1.0] * rows, "task": task}), file)
    assert file.stat().st_size < 150_000
    assert least_peak(lambda: sum(1 for _ in read_parquet(file))) < 25_000_000
