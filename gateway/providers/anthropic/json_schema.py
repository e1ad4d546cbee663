"""Rewrites JSON schemas to the subset that Anthropic's structured output supports."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

_KEPT = ("type", "enum", "const", "description", "title", "required", "default", "$ref")
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_IGNORED = frozenset({"$schema", "$id", "strict"})
_OF_TYPES = {
    "object": frozenset({"properties", "required", "additionalProperties", "patternProperties", "propertyNames"})
    | {"minProperties", "maxProperties"},
    "array": frozenset({"items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"format", "pattern", "minLength", "maxLength"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
}
"""The keywords that apply to values of one type only."""
_PARTS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_DEPTH = 32

T = TypeVar("T")


class _InexpressibleError(Exception):
    """The schema has a part that the subset can't express and that can't be dropped."""


def narrowed(schema: object) -> dict[str, Any] | None:
    """Rewrite a schema so that it allows no other kinds of answers than the given one; None if that is not possible.

    Objects are closed. Bounds and patterns, which are not supported, move into the description.
    """
    if isinstance(schema, dict) and isinstance(schema.get("type"), list) and "object" in schema["type"]:
        schema = {**schema, "type": "object"}
    try:
        found = _narrow(schema)
    except _InexpressibleError:
        return None
    return found if found.get("type") == "object" or "$ref" in found else None


def _narrow(schema: object, depth: int = 0) -> dict[str, Any]:
    if not isinstance(schema, dict) or not schema or depth > _DEPTH:
        raise _InexpressibleError
    if isinstance(schema.get("type"), list) or schema.get("nullable") is True:
        schema = _without_type_list(schema)
    rest = {key: value for key, value in schema.items() if key not in _IGNORED}
    found: dict[str, Any] = {key: rest.pop(key) for key in _KEPT if key in rest}
    if "$ref" in found and not str(found["$ref"]).startswith("#/"):
        raise _InexpressibleError
    for key, name in _PARTS.items():
        if key in rest:
            found[name] = [_narrow(part, depth + 1) for part in _of(list, rest.pop(key))]
    for key in ("$defs", "definitions"):
        if key in rest:
            found[key] = {name: _narrow(part, depth + 1) for name, part in _of(dict, rest.pop(key)).items()}
    if found.get("type") == "object" or "properties" in rest:
        found |= _closed(rest, depth)
    if "items" in rest:
        found["items"] = _narrow(rest.pop("items"), depth + 1)
    if rest.get("format") in _FORMATS:
        found["format"] = rest.pop("format")
    if rest.get("minItems") in (0, 1):
        found["minItems"] = rest.pop("minItems")
    if rest:
        said = msgspec.json.encode(rest).decode()
        found["description"] = f"{found['description']}\n\n{said}" if found.get("description") else said
    return found


def _without_type_list(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a list of types by one type, or by an alternative for each: lists are not supported."""
    rest = {key: value for key, value in schema.items() if key not in {"type", "nullable"}}
    types = schema.get("type", [])
    types = list(types) if isinstance(types, list) else [types]
    if schema.get("nullable") is True and types:
        types.append("null")
    types = list(dict.fromkeys(types))
    if not types or "enum" in rest or "const" in rest:
        return rest  # the values imply their types
    if len(types) == 1:
        return {**rest, "type": types[0]}
    if "anyOf" in rest or "oneOf" in rest:
        raise _InexpressibleError
    own = {key: words for words in _OF_TYPES.values() for key in words}
    shared = {key: value for key, value in rest.items() if key not in own}
    alternatives = [
        {"type": kind, **{key: rest[key] for key in rest if key in _OF_TYPES.get(_family(kind), ())}} for kind in types
    ]
    return {**shared, "anyOf": alternatives}


def _family(kind: object) -> str:
    return "number" if kind == "integer" else str(kind)


def _closed(rest: dict[str, Any], depth: int) -> dict[str, Any]:
    """Rewrite an object's properties. Objects that allow other properties can't be expressed."""
    properties = _of(dict, rest.pop("properties", {}))
    if rest.pop("additionalProperties", False) not in (False, None) or "patternProperties" in rest or not properties:
        raise _InexpressibleError
    narrow = {name: _narrow(part, depth + 1) for name, part in properties.items()}
    return {"type": "object", "additionalProperties": False, "properties": narrow}


def _of(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise _InexpressibleError
    return value
