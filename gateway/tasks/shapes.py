"""The shape of a text: fences and lines of code, formulas, tables, gaps to fill, options to choose from.

Searches for a single character are nearly free and come before searches for more.
"""

import re
from typing import NamedTuple

LINES_READ = 16
"""Lines that are read from either end."""

SUM_CHARS = 300

_CODE_ENDS = frozenset(";{}")
_LATEX = ("\\frac", "\\int", "\\sum", "\\sqrt", "\\cdot", "\\le", "\\begin{")
_SYMBOLS = ("∫", "√", "²", "³", "×", "÷", "∑", "≤", "π")
_SUM = re.compile(r"\d\s?[-+*/]\s?\(?\d[\d\s.()+*/-]*(?:=|$|\?)|[xyz]\)? ?[-+=] ?\d|\d ?[-+=] ?\d*[xyz]\b")


class Shape(NamedTuple):
    """The shape of a text. `code` and `math` are weights, 0 for none."""

    fenced: bool
    code: float
    math: float
    table: bool
    options: bool  # it offers options to choose from
    gap: bool  # it has a place left open
    asks: bool


def shape_of(text: str) -> Shape:
    """The shape of a text of up to a few thousand characters."""
    lines = text.split("\n", LINES_READ)
    if len(lines) > LINES_READ:
        lines = lines[:-1] + lines[-1].rsplit("\n", LINES_READ)[1:]
    fenced = "`" in text and "```" in text
    return Shape(
        fenced=fenced,
        code=(5.0 if fenced else 0.0) + _code(text, lines),
        math=_math(text),
        table="|" in text and sum("|" in line for line in lines) >= 3,
        options=_options(text, lines),
        gap="_" in text and ("___" in text or " _ " in text),
        asks="?" in text or (not text.isascii() and ("？" in text or "؟" in text)),
    )


def _code(text: str, lines: list[str]) -> float:
    ends = len([line for line in lines if line and (line[-1] in _CODE_ENDS or line.endswith("):"))])
    query = "SELECT" in text and "FROM" in text
    return min(ends, 3) * 1.5 + (6.0 if query else 0.0)


def _math(text: str) -> float:
    weight = 0.0
    if "\\" in text and any(command in text for command in _LATEX):
        weight = 3.0
    elif "^" in text or ("%" in text and "% of " in text):
        weight = 3.5
    elif not text.isascii() and any(symbol in text for symbol in _SYMBOLS):
        weight = 3.0
    if ("=" in text or "+" in text or "*" in text) and _SUM.search(text[:SUM_CHARS]):
        weight += 3.0
    return weight


def _options(text: str, lines: list[str]) -> bool:
    if ")" in text:
        for first, second in (("A)", "B)"), ("a)", "b)")):
            if second in text and first in text:
                return True
        if "2)" in text and "1)" in text and ("ption" in text or "hoose" in text or "hich " in text):
            return True
        if not text.isascii() and "Б)" in text and "А)" in text:
            return True
    if "Option 2" in text:
        return True
    starts = {line[:2] for line in lines} if len(lines) > 1 else {""}
    return ("A." in starts and "B." in starts) or ("a." in starts and "b." in starts)
