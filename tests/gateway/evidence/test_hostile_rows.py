"""Files as spreadsheets, other systems and bad days make them: refused whole, in bounded steps, with the remedy."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evidence.problems import MAX_PROBLEMS, EvidenceError
from storage.stores.evals import EvalScore
from tests.support.evidence import PERCENT, read_all
from tests.support.steps import count_calls

KNOWN = {"a/one", "a/two", *(f"provider/model-{number}" for number in range(300))}
MAX_BYTES = 2_000_000


def problems(data: bytes) -> tuple[str, ...]:
    with pytest.raises(EvidenceError) as caught:
        read_all(data, PERCENT, KNOWN)
    return caught.value.problems


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("model_id,score\na/one,80\n".encode("utf-16"), "line 1: is UTF-16 text; save the file as UTF-8"),
        ("model_id,score\na/one,80\n".encode("utf-16-be"), "line 1: holds a NUL character"),
        ("model_id,score,notes\na/one,80,\na/two,70,süß\n".encode("latin-1"), "line 3: is not UTF-8 text"),
        (b"model_id;score\na/one;80\n", "line 1: the columns are separated by semicolons; separate them by commas"),
        (b"model_id\tscore\na/one\t80\n", "line 1: the columns are separated by tabs; separate them by commas"),
        (b"model_id,score\na/one,80%\n", 'not "80%"; write it without the percent sign'),
        (b'model_id,score\na/one,"0,8"\n', 'not "0,8"; write it with a decimal point'),
        (b"model_id,score\na/one,8_0\n", 'line 2: the score must be a number, not "8_0"'),
        ("model_id,score\na/one,８０\n".encode(), "line 2: the score must be a number"),
        (b"model_id,score\na/one,\n", 'line 2: the score must be a number, not ""'),
        (b"model_id,score\na/one,1e999\n", "line 2: the score must be from 0 to 100 (percent), not inf"),
        (b"model_id,score\n,80\n", 'line 2: there is no model ""'),
        (b'model_id,score\na/one,"80\n', "line 2: is not valid CSV"),
        (b'model_id,score\n"a\n/\none",80\na/two,x\n', "line 2: there is no model"),
        (b'"model_id\n', "line 1: is not valid CSV"),
        (b"\n\n\n", "line 1: the column model_id is missing"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_remedy(data: bytes, problem: str) -> None:
    assert problem in problems(data)[0]


def test_a_record_over_several_lines_does_not_shift_the_numbers_of_the_others() -> None:
    data = b'model_id,score,notes\na/one,80,"one\ntwo\nthree"\na/two,bad,\n'
    assert problems(data) == ('line 5: the score must be a number, not "bad"',)


def test_one_bad_line_leaves_nothing_imported_and_all_bad_lines_are_told() -> None:
    data = b"model_id,score\na/one,80\na/two,bad\nb/x,70\n"
    told = problems(data)
    assert [problem.partition(":")[0] for problem in told] == ["line 3", "line 4"]


def test_a_broken_end_does_not_hide_the_mistakes_before_it() -> None:
    told = problems(b'model_id,score\na/one,bad\n"a/two,70\n')
    assert told[0].startswith("line 2: the score")
    assert told[1].startswith("line 3: is not valid CSV")


@pytest.mark.parametrize(
    "data",
    [
        b"model_id,score\n" + b"unknown/model,80\n" * 100_000,
        b"model_id,score\n" + b"".join(b"unknown/model-%d,x\n" % number for number in range(80_000)),
        b"," * MAX_BYTES,
        b"model_id,score\na/one," + b"9" * (MAX_BYTES - 30) + b"\n",
        b"model_id,score\n" + b"x" * 100_000 + b",1\n",
        b'"' * MAX_BYTES,
        b"\n" * MAX_BYTES,
    ],
    ids=[
        "repeated",
        "all unknown",
        "commas",
        "a long number",
        "a long name",
        "quotes",
        "empty lines",
    ],
)
def test_the_largest_file_is_refused_in_few_words(data: bytes) -> None:
    assert len(data) <= MAX_BYTES
    told = problems(data)
    assert len(told) <= MAX_PROBLEMS + 1
    assert sum(map(len, told)) < 20_000


@pytest.mark.parametrize("line", [b"unknown/model,80\n", b"unknown/model-%d,x\n", b"\n"])
def test_a_file_twice_as_long_takes_no_more_than_twice_the_steps(line: bytes) -> None:
    """What only the first problems get, such as the names that are nearest, does not count again."""

    def calls(lines: int) -> int:
        data = b"model_id,score\n" + b"".join(line % number if b"%d" in line else line for number in range(lines))
        return count_calls(lambda: problems(data))

    assert calls(8_000) < 2.5 * calls(4_000)


def test_a_long_cell_that_is_almost_a_number_is_refused_in_linear_time() -> None:
    """The limit is a safety net: a pattern that matches digits in two ways takes some five minutes here."""
    program = (
        "from gateway.evidence.problems import EvidenceError\n"
        "from gateway.evidence.rows import Scale\n"
        "from tests.support.evidence import read_all\n"
        "cell = b'9' * 130_000 + b'x'\n"
        "try: read_all(b'model_id,score\\na,' + cell, Scale('percent', 0.0, 100.0), {'a'})\n"
        "except EvidenceError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[3], capture_output=True, check=True, timeout=90
    )
    assert ran.stdout.startswith(b"line 2: the score must be a number")


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), st.floats(0.0, 100.0), min_size=1), st.booleans())
def test_a_good_file_comes_back_as_it_was_in_whatever_order_its_columns_are(
    scores: dict[str, float], swapped: bool
) -> None:
    lines = [f"{score!r},{model_id}" if swapped else f"{model_id},{score!r}" for model_id, score in scores.items()]
    header = "score,model_id" if swapped else "model_id,score"
    rows = read_all("\r\n".join([header, *lines]).encode("utf-8-sig"), PERCENT, KNOWN)
    assert rows == tuple(EvalScore(model_id, score / 100.0, weight=20.0) for model_id, score in scores.items())
