"""Is a structured answer what was asked for? Right where it answers, and in few steps whoever asks."""

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.json_schema import STEPS, is_valid
from tests.support.json_schemas import SCHEMAS
from tests.support.steps import count_calls

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def asked(schema: Any) -> bytes:
    return json.dumps({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}).encode()


@given(SCHEMAS, JSON)
def test_it_agrees_with_the_library(schema: dict[str, Any], value: Any) -> None:
    assert is_valid(asked(schema), json.dumps(value)) is jsonschema.Draft202012Validator(schema).is_valid(value)


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "tags": {"type": "array", "uniqueItems": True}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("response_format", "text", "valid"),
    [
        (asked(PERSON), '{"name": "Ada"}', True),
        (asked(PERSON), '{"name": "ada"}', False),
        (asked(PERSON), '{"name": "Ada", "tags": [1, 1]}', False),
        (asked(PERSON), '{"name": "Ada", "age": 3}', False),
        (asked(PERSON), "{}", False),
        (asked(PERSON), '```json\n{"name": "Ada"}\n```', False),
        (asked(PERSON), '{"name": "Ada"', False),
        (asked(PERSON), "", False),
        (b'{"type": "json_object"}', ' {"a": NaN}', False),
        (b'{"type": "json_object"}', ' {"a": 1} ', True),
        (b'{"type": "json_object"}', "[1]", False),
        (b'{"type": "text"}', "anything", None),
        (b'{"type": "json_schema"}', "{}", None),
        (b"null", "{}", None),
        (b"{", "{}", None),
        (asked({"type": "strnig"}), "{}", None),
        (asked({"$ref": "https://example.com/schema.json"}), "{}", None),
        (asked({"$ref": "#/$defs/none"}), "{}", None),
        (asked({"$ref": "#"}), "{}", None),
        (asked({}), "[" * 100_000, None),
    ],
)
def test_examples(response_format: bytes, text: str, valid: bool | None) -> None:
    assert is_valid(response_format, text) is valid


DEEP = {f"d{depth}": {"anyOf": [{"$ref": f"#/$defs/d{depth + 1}"}] * 2} for depth in range(40)}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "pattern": "^(a+)+$"}, "a" * 60 + "!"),
        ({"type": "string", "pattern": "^(a|a)*$"}, "a" * 60 + "!"),
        ({"type": "string", "pattern": r"^([a-z]+)\1*!$"}, "a" * 60),
        ({"type": "string", "pattern": "a*a*a*a*a*a*b"}, "a" * 250),
        ({"type": "array", "items": {"type": "string", "pattern": "a*a*b"}}, ["a" * 250] * 1_000),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 60 + "!": 1}),
        ({"propertyNames": {"pattern": "^(a+)+$"}}, {"a" * 60 + "!": 1}),
        ({"$defs": {**DEEP, "d40": {"type": "string"}}, "$ref": "#/$defs/d0"}, 1),
        ({"type": "array", "items": {"type": "integer"}}, list(range(40_000))),
        ({"type": "array", "uniqueItems": True}, [{"a": number} for number in range(15_000)]),
    ],
    ids=lambda value: None,
)
def test_no_schema_takes_many_steps(schema: dict[str, Any], value: Any) -> None:
    response_format, text = asked(schema), json.dumps(value)
    assert count_calls(lambda: is_valid(response_format, text)) < 200 * STEPS


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", r"^([a-z]+)\1*!$", "a*a*a*a*a*a*b"])
@pytest.mark.parametrize("name", ["pattern", "propertyNames", "patternProperties"])
def test_patterns_that_could_take_long_are_not_applied(
    pattern: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[str] = []
    real = re.search

    def search(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
        applied.append(pattern)
        return real(pattern, text, flags)

    monkeypatch.setattr(re, "search", search)
    value = "a" * 12 + "!"
    schema = {
        name: {"pattern": pattern, "propertyNames": {"pattern": pattern}, "patternProperties": {pattern: {}}}[name]
    }
    is_valid(asked(schema), json.dumps(value if name == "pattern" else {value: 1}))
    assert pattern not in applied


def test_patterns_are_applied_to_short_texts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []
    real = re.search

    def search(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
        applied.append(text)
        return real(pattern, text, flags)

    monkeypatch.setattr(re, "search", search)
    schema = {"type": "array", "items": {"type": "string", "pattern": "a*a*$"}}
    assert is_valid(asked(schema), json.dumps(["a" * 100, "a" * 100_000]))
    assert "a" * 100 in applied
    assert max(map(len, applied)) < 1_000
