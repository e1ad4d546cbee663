"""Whether a structured answer is what was asked for: JSON, and of the schema where one was given."""

from functools import lru_cache
from typing import Any

import jsonschema
import msgspec
from jsonschema.protocols import Validator

LARGEST_TEXT = 1_000_000
"""Characters; a longer answer is not checked against its schema, only parsed."""


class _Schema(msgspec.Struct):
    schema: msgspec.Raw | None = None


class _Format(msgspec.Struct):
    type: str = ""
    json_schema: _Schema | None = None


def is_valid(response_format: msgspec.Raw, text: str) -> bool:
    """Whether `text` is what `response_format` (the request's field) asked for.

    A schema that is no schema is the caller's mistake, not the answer's: then JSON is enough.
    """
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    try:
        asked = msgspec.json.decode(response_format, type=_Format)
    except msgspec.ValidationError:
        return True
    if asked.type == "json_object":
        return isinstance(document, dict)
    if asked.json_schema is None or asked.json_schema.schema is None or len(text) > LARGEST_TEXT:
        return True
    validator = _validator(bytes(asked.json_schema.schema))
    return validator is None or bool(validator.is_valid(document))


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Validator | None:
    """The compiled schema; None for one that is none."""
    document: Any = msgspec.json.decode(schema)
    try:
        kind = jsonschema.validators.validator_for(document)
        kind.check_schema(document)
        made: Validator = kind(document)
    except jsonschema.SchemaError:
        return None
    return made
