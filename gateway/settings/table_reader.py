"""Reads a table of settings key by key: each value is checked, and each mistake is kept with its place.

The TOML file and the management API use the same reader, so both report the same mistakes in the same words.
"""

import difflib
import math
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeVar

D = TypeVar("D")
Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """One mistake: where it is, and what would be right."""

    path: Path
    message: str

    def dotted(self) -> str:
        """The place as a dotted key: `providers.openai.api_key`, `models[2]`."""
        return dotted(self.path)


class Fields:
    """One table. Every reader returns its default if the key is absent (or null) or its value is wrong.

    Call `close` after all known keys were read: the keys that are left are unknown.
    """

    def __init__(self, values: Mapping[str, object], problems: list[Problem], path: Path = ()) -> None:
        self.path = path
        self.problems = problems
        self._values = values
        self._known: list[str] = []

    def raw(self, key: str) -> object:
        """The value as it is; None if there is none."""
        if key not in self._known:
            self._known.append(key)
        return self._values.get(key)

    def blame(self, key: str | int | None, message: str) -> None:
        """Record a mistake at `key` of this table, or at the table itself."""
        self.problems.append(Problem(self.path if key is None else (*self.path, key), message))

    def text(
        self, key: str, default: D, *, pattern: str = r"(?s).*\S.*", right: str = "", secret: bool = False
    ) -> str | D:
        """A string that matches the whole `pattern`; `right` says in words what is allowed.

        A `secret` value, such as a URL with a password, is not repeated in the message.
        """
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        self.blame(
            key, f"must be {right or 'a string that is not empty'}" + ("" if secret else f", not {shown(value)}")
        )
        return default

    def choice(self, key: str, default: D, allowed: Collection[str]) -> str | D:
        """One of the allowed words."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str) and value in allowed:
            return value
        near = nearest(value, allowed) if isinstance(value, str) else ""
        self.blame(key, f"must be {one_of(allowed)}, not {shown(value)}{near}")
        return default

    def number(
        self, key: str, default: D, *, low: float = 0.0, high: float = math.inf, above: bool = False
    ) -> float | D:
        """A finite number in [low, high], or in (low, high] with `above`."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            self.blame(key, f"must be a finite number, not {shown(value)}")
        elif not (low < value if above else low <= value) or value > high:
            self.blame(key, f"must be {_range(low, high, above)}, not {shown(value)}")
        else:
            return float(value)
        return default

    def integer(self, key: str, default: D, *, low: int = 0, high: int = 2**53) -> int | D:
        """A whole number in [low, high]."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.blame(key, f"must be a whole number, not {shown(value)}")
        elif not low <= value <= high:
            self.blame(key, f"must be {_range(low, high, False)}, not {shown(value)}")
        else:
            return value
        return default

    def flag(self, key: str, default: bool) -> bool:
        """`true` or `false`."""
        value = self.raw(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.blame(key, f"must be true or false, not {shown(value)}")
        return default

    def texts(self, key: str, default: D) -> tuple[str, ...] | D:
        """A list of strings, none empty or repeated."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item.strip() for item in value):
            self.blame(key, f"must be a list of strings, not {shown(value)}")
            return default
        twice = sorted({item for item in value if value.count(item) > 1})
        if twice:
            self.blame(key, f"names {shown(twice[0])} twice")
        return tuple(dict.fromkeys(value))

    def names(self) -> tuple[str, ...]:
        """All keys of this table."""
        return tuple(self._values)

    def table(self, key: str) -> "Fields | None":
        """The table at a key; None if there is none."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.blame(key, f"must be a table, not {shown(value)}")
            return None
        return Fields(value, self.problems, (*self.path, key))

    def tables(self, key: str, each: Callable[[str, "Fields"], None]) -> None:
        """Every named table below a key, such as each of `[providers.*]`."""
        parent = self.table(key)
        if parent is None:
            return
        for name in parent._values:
            child = parent.table(name)
            if child is not None:
                each(name, child)

    def close(self) -> None:
        """Record a mistake for every key that was not read."""
        for key in self._values:
            if key not in self._known:
                near = nearest(key, self._known) or f"; there are {', '.join(sorted(self._known))}"
                self.blame(key, f"is not a known key{near}")


def dotted(path: Path) -> str:
    """A path as a dotted key; parts that are no bare TOML keys are quoted."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part[:80]}"'
            written += f".{plain}" if written else plain
    return written


def shown(value: object) -> str:
    """A value in an error message: as in TOML, cut to 60 characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= 60 else text[:59] + "…"


def nearest(word: str, known: Collection[str]) -> str:
    """`; did you mean "x"?`, or nothing if no known word is similar."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'; did you mean "{match[0]}"?' if match else ""


def one_of(words: Collection[str]) -> str:
    """`"a", "b" or "c"`."""
    quoted = [f'"{word}"' for word in words]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _range(low: float, high: float, above: bool) -> str:
    if math.isinf(high) or high >= 2**53:
        return f"{'more than' if above else 'at least'} {_plain(low)}"
    if above:
        return f"more than {_plain(low)} and at most {_plain(high)}"
    return f"between {_plain(low)} and {_plain(high)}"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 1e6 else f"{value:g}"
