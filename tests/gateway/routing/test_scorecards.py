"""Scorecards are read whole or not at all, and every mistake is told with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.scorecards import MAX_BYTES, Scale, ScorecardError, read_scorecard, scale_of
from storage.stores.evals import EvalRow

KNOWN = {"a/one", "a/two"}
PERCENT = Scale("percent", 0.0, 100.0)


def test_scores_come_out_between_zero_and_one() -> None:
    data = b"\xef\xbb\xbfmodel_id,score,notes\r\na/one,80,fine\r\n\r\na/two,12.5,\r\n"
    assert read_scorecard(data, PERCENT, KNOWN) == (EvalRow("a/one", 0.8, "fine"), EvalRow("a/two", 0.125, ""))
    assert read_scorecard(b"score,model_id\n-2,a/one\n", Scale("log odds", -4.0, 4.0), KNOWN) == (
        EvalRow("a/one", 0.25),
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "line 1: the column model_id is missing"),
        (b"model_id,notes\n", "line 1: the column score is missing"),
        (b"model_id,score,price\n", 'line 1: "price" is not a column'),
        (b"model_id,score,score\n", "line 1: the column score stands twice"),
        (b"model_id,score\n", "the file has no rows"),
        (b"model_id,score\na/one,good\n", 'line 2: the score must be a number, not "good"'),
        (b"model_id,score\na/one,nan\n", "line 2: the score must be from 0 to 100 (percent), not nan"),
        (b"model_id,score\na/one,101\n", "line 2: the score must be from 0 to 100"),
        (b"model_id,score\na/one,1\na/one,2\n", 'line 3: scores "a/one" again, after line 2'),
        (b"model_id,score\na/oen,1\n", 'line 2: there is no model "a/oen"; did you mean "a/one"?'),
        (b"model_id,score\na/one\n", "line 2: has 1 cells and the header 2"),
        (b'model_id,score\n"a/one,1\n', "is not valid CSV"),
        (b"model_id,score\na/one,1\na/\xe9,2\n", "line 3: is not UTF-8 text"),
        (b"m" * (MAX_BYTES + 1), "the file is too large"),
    ],
)
def test_a_mistake_names_its_line_and_the_remedy(data: bytes, problem: str) -> None:
    with pytest.raises(ScorecardError) as caught:
        read_scorecard(data, PERCENT, KNOWN)
    assert problem in caught.value.problems[0]


def test_all_mistakes_are_told_but_not_thousands() -> None:
    with pytest.raises(ScorecardError) as caught:
        read_scorecard(b"model_id,score\n" + b"".join(b"b/%d,x\n" % number for number in range(500)), PERCENT, KNOWN)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "… and 980 more"


def test_known_units_bring_their_range_and_others_must_say_it() -> None:
    assert scale_of("percent", None, None) == PERCENT
    assert scale_of("elo", 800.0, 1_600.0) == Scale("elo", 800.0, 1_600.0)
    with pytest.raises(ScorecardError, match="give min and max"):
        scale_of("elo", 800.0, None)
    with pytest.raises(ScorecardError, match="must rise"):
        scale_of("elo", 800.0, 800.0)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: ("model_id,score\n" + text).encode()))
def test_no_bytes_whatever_break_the_reader(data: bytes) -> None:
    try:
        rows = read_scorecard(data, PERCENT, KNOWN)
    except ScorecardError:
        return
    assert all(0.0 <= row.score <= 1.0 for row in rows)
