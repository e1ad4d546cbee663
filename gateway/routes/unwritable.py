"""Refuses text that a database can't hold, before it gets there."""

import re

from gateway.errors import BadRequest

_SURROGATE = re.compile("[\ud800-\udfff]")


def refuse_unwritable(given: object) -> None:
    """Refuse text that a database can't hold: NUL, and halves of characters. Raises BadRequest."""
    values: list[tuple[str | None, object]] = [(None, given)]
    while values:
        field, value = values.pop()
        if isinstance(value, str):
            if "\0" in value or (not value.isascii() and _SURROGATE.search(value)):
                told = "holds a NUL character, or half of one such as an emoji that was cut in two"
                raise BadRequest(f"`{field}` {told}" if field else f"the body {told}", param=field)
        elif isinstance(value, dict):
            values += ((field, name) for name in value)
            values += ((field or name, each) for name, each in value.items())
        elif isinstance(value, list):
            values += ((field, each) for each in value)
