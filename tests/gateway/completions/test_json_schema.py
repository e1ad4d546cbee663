"""Is a structured answer what was asked for? Right where it answers, and quick whoever asks."""

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.json_schema import is_valid
from tests.gateway.simulated.test_app import SCHEMAS

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
def test_no_schema_takes_long(schema: dict[str, Any], value: Any) -> None:
    started = time.process_time()
    is_valid(asked(schema), json.dumps(value))
    assert time.process_time() - started < 3
