"""Graders score as a person would, in bounded time, and say what is wrong with them before anything is paid."""

from collections.abc import Mapping

import pytest

from gateway.evals.graders import TEXT_LIMIT, Judged, gradable, read_grader
from gateway.settings.table_reader import Fields, Problem


def grade(grader: Mapping[str, object], text: str) -> float | None:
    problems: list[Problem] = []
    read = read_grader(Fields(grader, problems))
    assert problems == []
    assert read is not None
    assert not isinstance(read, Judged)
    return read.grade(text)


def mistakes(grader: Mapping[str, object]) -> str:
    problems: list[Problem] = []
    assert read_grader(Fields(grader, problems)) is None
    return "; ".join(f"{each.dotted()} {each.message}" for each in problems)


PERSON = {"type": "object", "required": ["name"], "properties": {"name": {"const": "Ada"}}}


@pytest.mark.parametrize(
    ("grader", "right", "wrong"),
    [
        ({"type": "exact", "expected": "Paris"}, ["Paris", " paris.\n", "**Paris**", '"Paris"'], ["Paris, France", ""]),
        ({"type": "exact", "expected": ["B", "(B)"]}, ["b", "(B)"], ["A", "B or C"]),
        ({"type": "exact", "expected": "Ab", "strict": True}, ["Ab", "Ab\n"], ["ab", "Ab."]),
        ({"type": "contains", "expected": ["red", "Blue  sky"]}, ["A blue\nsky, a RED sun"], ["red", "blue sky"]),
        ({"type": "contains", "expected": ["a", "b"], "any": True}, ["xb"], ["xyz"]),
        ({"type": "contains", "expected": "x", "absent": "y"}, ["x"], ["xy"]),
        ({"type": "contains", "expected": "x", "most_words": 2}, ["x z"], ["x z z"]),
        ({"type": "regex", "pattern": r"^\d{4}-\d{2}$"}, ["2024-05"], ["2024-5", "on 2024-05"]),
        (
            {"type": "number", "expected": 1234.5},
            ["1,234.5", "It is 1234.50!", "7, no: 1.2345e3"],
            ["1234", "none", ""],
        ),
        ({"type": "number", "expected": -2}, ["-2", "−2", "x=-2"], ["2", "4-2"]),
        ({"type": "number", "expected": 0.33, "tolerance": 0.01}, ["1/3 is .333", "0.32"], ["0.35", "9" * 400]),
        ({"type": "json_schema", "schema": PERSON}, ['{"name": "Ada"}', '```json\n{"name":"Ada"}\n```'], ["Ada", "{}"]),
    ],
)
def test_right_answers_get_a_1_and_wrong_ones_a_0(
    grader: Mapping[str, object], right: list[str], wrong: list[str]
) -> None:
    assert [grade(grader, text) for text in right] == [1.0] * len(right)
    assert [grade(grader, text) for text in wrong] == [0.0] * len(wrong)


@pytest.mark.parametrize(
    ("grader", "told"),
    [
        ({}, "type is required: exact, contains, regex, number, json_schema, judge"),
        ({"type": "regexp"}, 'did you mean "regex"?'),
        ({"type": "exact"}, "expected is required"),
        ({"type": "exact", "expected": ["a", 1]}, "expected must be a string or a list of strings"),
        ({"type": "exact", "expected": "a", "ignore": True}, "ignore is not a known key"),
        ({"type": "contains", "expected": [""]}, "none of them empty"),
        ({"type": "number", "expected": "4"}, "expected must be a finite number"),
        ({"type": "number", "expected": 4, "tolerance": -1}, "tolerance must be"),
        ({"type": "regex", "pattern": "("}, "pattern is none that RE2 takes"),
        ({"type": "regex", "pattern": r"(?=a)b"}, "no lookaround"),
        ({"type": "regex", "pattern": "x{1,1000}" * 50}, "pattern too large"),
        ({"type": "regex", "pattern": "(" * 1_001}, "at most 1,000"),
        ({"type": "json_schema", "schema": {"type": "objekt"}}, "schema is no JSON schema: 'objekt'"),
        ({"type": "json_schema", "schema": "text"}, "schema must be an object"),
        ({"type": "json_schema", "schema": {"$ref": "https://example.org/a"}}, "nothing is fetched"),
        ({"type": "json_schema", "schema": {"properties": {"a": {"pattern": "(a+)+$"}}}}, "could take long"),
        ({"type": "json_schema", "schema": {"patternProperties": {}}}, "patternProperties"),
        ({"type": "json_schema", "schema": {"description": "x" * 40_000}}, "at most 32,768"),
        ({"type": "judge"}, "rubric is required"),
        ({"type": "judge", "rubric": "x" * 8_001}, "at most 8,000"),
    ],
)
def test_a_grader_that_is_none_is_told_what_is_right(grader: Mapping[str, object], told: str) -> None:
    assert told in mistakes(grader)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(?:a?){250}a{250}", "(.*)(.*)(.*)(.*)(.*)x"])
def test_no_pattern_takes_long_on_any_answer(pattern: str) -> None:
    """With backtracking each of these takes years."""
    assert grade({"type": "regex", "pattern": pattern}, "a" * (TEXT_LIMIT - 1) + "b") in {0.0, 1.0}


def test_a_schema_that_takes_too_many_steps_gives_no_grade() -> None:
    schema = {"items": {"anyOf": [{"const": number} for number in range(100)]}}
    assert grade({"type": "json_schema", "schema": schema}, str([*range(200, 300)])) in {None, 0.0}
    assert grade({"type": "json_schema", "schema": {"$ref": "#"}}, "1") is None


def test_of_tool_calls_the_names_and_arguments_are_graded_and_of_long_texts_the_beginning() -> None:
    assert gradable(None, [("f", '{"x": 1}'), ("g", "broken")]) == (
        '[{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": "broken"}]'
    )
    assert gradable(None, []) == ""
    assert len(gradable("x" * 1_000_000, [])) == TEXT_LIMIT
