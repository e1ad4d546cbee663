"""JSON schemas of the usual kinds, as a Hypothesis strategy."""

from hypothesis import strategies as st

SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "minLength": 12},
            {"type": "string", "maxLength": 3},
            {"type": "integer", "minimum": 5},
            {"type": "boolean"},
            {"type": "null"},
            {"enum": ["a", 1]},
            {"const": None},
            {"type": ["number", "null"]},
        ]
    ),
    lambda inner: (
        st.builds(lambda item: {"type": "array", "items": item, "minItems": 2}, inner)
        | st.builds(lambda first, second: {"anyOf": [first, second]}, inner, inner)
        | st.builds(
            lambda named: {
                "type": "object",
                "properties": named,
                "required": list(named),
                "additionalProperties": False,
            },
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
        )
    ),
    max_leaves=8,
)
