"""JSON schemas in the subset of Anthropic's structured output."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.anthropic.json_schema import narrowed


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": ["string"], "description": "x"}, {"type": "string", "description": "x"}),
        ({"type": "string", "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"enum": ["a", None]}),
        (
            {"type": ["integer", "null"], "minimum": 1, "description": "how many"},
            {
                "anyOf": [{"type": "integer", "description": '{"minimum":1}'}, {"type": "null"}],
                "description": "how many",
            },
        ),
        (
            {"type": ["array", "null"], "items": {"type": ["number", "string"]}},
            {
                "anyOf": [
                    {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}},
                    {"type": "null"},
                ]
            },
        ),
        (
            {"type": ["object", "null"], "properties": {"b": {"type": "string"}}, "required": ["b"]},
            {
                "anyOf": [
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"b": {"type": "string"}},
                        "required": ["b"],
                    },
                    {"type": "null"},
                ]
            },
        ),
    ],
)
def test_a_list_of_types_becomes_alternatives(given: dict[str, Any], found: dict[str, Any]) -> None:
    schema = narrowed({"type": ["object", "null"], "properties": {"a": given}})
    assert schema == {"type": "object", "additionalProperties": False, "properties": {"a": found}}


@given(
    st.recursive(
        st.sampled_from(
            [{"type": "string"}, {"type": "integer", "minimum": 1}, {"enum": ["a"]}, {}, True, {"type": "object"}]
        ),
        lambda inner: (
            st.builds(lambda item: {"type": "array", "items": item}, inner)
            | st.builds(lambda items: {"anyOf": items}, st.lists(inner, max_size=2))
            | st.builds(
                lambda named: {"type": "object", "properties": named},
                st.dictionaries(st.text(max_size=6), inner, max_size=3),
            )
        ),
        max_leaves=6,
    )
)
def test_a_narrowed_schema_has_only_closed_objects(schema: Any) -> None:
    def check(found: Any) -> None:
        if isinstance(found, dict) and found.get("type") == "object":
            assert found["additionalProperties"] is False
            assert found["properties"]
        for value in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
            check(value)

    found = narrowed(schema)
    if found is not None:
        check(found)
