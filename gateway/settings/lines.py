"""Finds the lines of keys in a TOML text: `tomllib` gives only values, and error messages need lines."""

import re
from collections.abc import Mapping

_PART = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.?)")
_TOKEN = re.compile(
    r"\"\"\".*?\"\"\"+|'''.*?'''+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]|[^\"'#\[\]{}\n]+|.", re.DOTALL
)


class Lines:
    """The line (from 1) of every table and key of a valid TOML text."""

    def __init__(self, text: str) -> None:
        self._lines = _scan(text)

    def of(self, path: tuple[str | int, ...]) -> int | None:
        """The line of a key, or of the nearest enclosing key or table that has one."""
        names = tuple(part for part in path if isinstance(part, str))
        for length in range(len(names), 0, -1):
            if names[:length] in self._lines:
                return self._lines[names[:length]]
        return None


def _scan(text: str) -> Mapping[tuple[str, ...], int]:
    """Walk the statements: each ends at the first newline outside of strings and brackets."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    statement, depth, line, start = "", 0, 1, 1
    for match in _TOKEN.finditer(text + "\n"):
        token = match[0]
        if not statement.strip():
            start = line
        line += token.count("\n")
        if token == "\n" and depth == 0:  # noqa: S105 - a token of TOML
            statement = statement.strip()
            header = statement.startswith("[")
            path = _path(statement.lstrip("[")) if header else (*table, *_path(statement))
            table = path if header else table
            for length in range(1, len(path) + 1):
                lines.setdefault(path[:length], start)
            statement = ""
        elif not token.startswith("#"):
            statement += token
            depth += (token in {"[", "{"}) - (token in {"]", "}"})
    return lines


def _path(text: str) -> tuple[str, ...]:
    """The dotted key at the beginning of a text."""
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(next(group for group in match.groups()[:3] if group is not None))
        position = match.end()
        if not match[4]:
            break
    return tuple(parts)
