"""Validates structured answers against JSON schemas, within a bounded number of steps."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

STEPS = 5_000
"""Keywords that are applied before a validation is given up: about a tenth of a second."""
_LONGEST_MATCHED = 256
_RISKY = re.compile(r"[)\]][*+?{]|\)\??[*+{]|\\[1-9]|\(\?")
_GREEDY = re.compile(r"(?<!\\)[*+]|\{\d*,\d*\}")


class _TooLongError(Exception):
    """The validation has used up its steps."""


class _Checker:
    """A compiled schema, with a count of the steps of a validation."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        Draft202012Validator.check_schema(schema)
        self._left = 0
        keywords = {name: self._counted(check) for name, check in Draft202012Validator.VALIDATORS.items()}
        # Nothing is fetched: a reference to another document is one that can't be resolved.
        self._validator = extend(
            Draft202012Validator,
            {**keywords, "pattern": _check_pattern, "uniqueItems": _check_unique},
        )(schema, registry=Registry())

    def accepts(self, value: object) -> bool:
        """Whether the value is valid. Raises _TooLongError, Unresolvable, RecursionError."""
        self._left = STEPS
        return next(iter(self._validator.iter_errors(value)), None) is None

    def _counted(self, check: Any) -> Any:
        def counted(*arguments: Any) -> Iterator[ValidationError]:
            self._left -= 1
            if self._left < 0:
                raise _TooLongError
            yield from check(*arguments) or ()

        return counted


def why_not_checked(schema: dict[str, Any]) -> str | None:
    """Why answers can't be checked against every part of a schema; None if they can."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is no JSON schema: {error.message[:200]} at {error.json_path}"
    except (RecursionError, re.error, OverflowError):
        return "is no JSON schema that can be checked"
    for keyword, value in _keywords(schema):
        if keyword == "patternProperties":
            return "has patternProperties, which can't be checked in bounded time"
        if keyword in {"$ref", "$dynamicRef"} and not str(value).startswith("#"):
            return f"refers to another document, {str(value)[:80]!r}; nothing is fetched"
        if keyword == "pattern" and isinstance(value, str) and not _is_quick(value):
            return f"has a pattern that could take long, {value[:80]!r}: no repeated groups, two open repetitions"
    return None


def _keywords(schema: object) -> Iterator[tuple[str, object]]:
    """All keys with their values, at any depth."""
    if isinstance(schema, dict):
        yield from schema.items()
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _keywords(part)


def is_valid(response_format: bytes, text: str) -> bool | None:
    """Whether a text is what `response_format` asks for; None if that is not checked.

    Not checked: formats that ask for no JSON, and schemas that are broken, refer to other documents, or are so large or
    deep that a validation would delay other requests. Patterns that could take long are not applied.
    """
    checker = _compiled(bytes(response_format))
    if checker is None:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    except RecursionError:
        return None
    try:
        return checker.accepts(value)
    except (_TooLongError, Unresolvable, RecursionError):
        return None


@lru_cache(maxsize=256)
def _compiled(response_format: bytes) -> _Checker | None:
    try:
        match msgspec.json.decode(response_format):
            case {"type": "json_object"}:
                return _Checker({"type": "object"})
            case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
                # The library applies these patterns to names in many places, for as long as they take.
                return None if b'"patternProperties"' in msgspec.json.encode(schema) else _Checker(schema)
    except (msgspec.DecodeError, SchemaError, RecursionError):
        pass
    return None


def _check_pattern(validator: Any, pattern: str, value: object, schema: object) -> Iterator[ValidationError]:
    if not isinstance(value, str) or len(value) > _LONGEST_MATCHED or not _is_quick(pattern):
        return
    if not re.search(pattern, value):
        yield ValidationError(f"does not match {pattern!r}")


def _check_unique(validator: Any, unique: object, value: object, schema: object) -> Iterator[ValidationError]:
    """Applies `uniqueItems` in linear time; the library compares every pair if it can't sort."""
    if unique and isinstance(value, list) and len({msgspec.json.encode(item) for item in value}) < len(value):
        yield ValidationError("has an item twice")


@lru_cache(maxsize=256)
def _is_quick(pattern: str) -> bool:
    """Whether a pattern can't take long: no repeated groups, no back references, up to two open repetitions."""
    if len(pattern) > 200 or _RISKY.search(re.sub(r"\[[^\]]*\]", "x", pattern)):
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError):
        return False
    return len(_GREEDY.findall(pattern)) <= 2
