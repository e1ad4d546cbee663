"""A journal keeps what was paid, whatever ended the run."""

from pathlib import Path

import msgspec
import pytest

from gateway.evals.journal import Journal, JournalError, Kept, key_of

ANSWER = Kept("4", (("f", "{}"),), "stop", 10, 2, 0.25, 1.5)


def test_answers_and_money_are_there_again_and_lost_calls_count_with_their_reservation(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    with Journal(path) as journal:
        journal.begin("one", 0.5)
        journal.end("one", 0.25, ANSWER)
        journal.begin("failed", 0.5)
        journal.end("failed", 0.0, None)
        journal.begin("lost", 0.125)
    with Journal(path) as again:
        assert (again.answer("one"), again.answer("failed"), again.answer("lost")) == (ANSWER, None, None)
        assert (again.spent_usd, again.lost_usd) == (0.25, 0.125)
        again.begin("lost", 0.125)
        again.end("lost", 0.0625, ANSWER)
    with Journal(path) as last:
        assert (last.spent_usd, last.lost_usd) == (0.25 + 0.125 + 0.0625, 0.0)


def test_an_incomplete_last_line_is_left_out_and_the_next_one_is_not_glued_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    with Journal(path) as journal:
        journal.end("one", 0.25, ANSWER)
        journal.end("two", 0.25, ANSWER)
    path.write_bytes(path.read_bytes()[:-30])
    with Journal(path) as cut:
        assert (cut.answer("one"), cut.answer("two")) == (ANSWER, None)
        cut.end("three", 0.5, ANSWER)
    with Journal(path) as again:
        assert (again.answer("three"), again.spent_usd) == (ANSWER, 0.75)


@pytest.mark.parametrize("text", ["model_id,score\nm,0.5\n", "one line", '{"prompt_id": "a"}\n{"prompt_id": "b"}'])
def test_another_file_is_not_taken_for_a_journal_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(JournalError, match="is no journal of a run"):
        Journal(path)
    assert path.read_text() == text


def test_a_journal_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.run"):
        pass
    assert not (tmp_path / "a.run").exists()


def test_two_runs_at_once_are_told(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.run"), pytest.raises(JournalError, match="is used by another run"):
        Journal(tmp_path / "a.run")
    Journal(tmp_path / "a.run").__exit__(None, None, None)


def test_a_call_is_known_by_its_model_and_its_fields_in_any_order_and_spacing() -> None:
    fields = {"a": msgspec.Raw(b'{"x": 1}'), "b": msgspec.Raw(b"2")}
    same = {"b": msgspec.Raw(b"2"), "a": msgspec.Raw(b'{"x":1}')}
    assert key_of("m", fields) == key_of("m", same)
    others = [key_of("n", fields), key_of("m", {**fields, "b": msgspec.Raw(b"3")}), key_of("m", {"a": fields["a"]})]
    assert len({key_of("m", fields), *others}) == 4
