"""The shape of a text: fences and code lines, formulas, tables, options to choose from. Cheap tests only."""

from dataclasses import dataclass

LINES_SEEN = 60

_CODE_STARTS = frozenset(
    """def class import from #include using namespace public private protected static const let var function func fn
    return if( for( while( else: else{ elif try: except: except catch switch package impl struct enum interface
    async await SELECT INSERT UPDATE DELETE CREATE ALTER #!/bin/bash #!/usr/bin/env $ >>> npm pip sudo docker kubectl
    git @Override @app fmt.Println console.log print( println! <html> <div <?php FROM RUN at File""".split()
)
_TRACES = ("Traceback (most recent call last)", "Exception in thread", "Error: ", "Exception: ", "panic: ", "segfault")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a text looks like. `code`, `math` and `table` are weights, 0 for none."""

    fenced: bool
    code: float
    math: float
    table: float
    options: bool
    gap: bool
    asks: bool


def see(text: str) -> Shape:
    """The shape of a text that is already cut to a few thousand characters."""
    fenced = "```" in text
    lines = text.split("\n", LINES_SEEN)
    return Shape(
        fenced=fenced,
        code=(3.0 if fenced else 0.0) + _code_lines(lines) + (3.0 if any(trace in text for trace in _TRACES) else 0.0),
        math=_math(text),
        table=1.0 if sum("|" in line or "\t" in line for line in lines) >= 3 else 0.0,
        options=_options(text),
        gap=" _ " in text or "___" in text or "continuation" in text,
        asks="?" in text or "？" in text or "؟" in text,
    )


def _code_lines(lines: list[str]) -> float:
    found = 0
    for line in lines[:LINES_SEEN]:
        words = line.split(None, 1)
        if words and (words[0] in _CODE_STARTS or line.rstrip().endswith((";", "{", "}", "):", "=>"))):
            found += 1
    return min(found, 4) * 1.0


def _math(text: str) -> float:
    weight = 0.0
    if "\\frac" in text or "\\int" in text or "\\sum" in text or "$$" in text or "∫" in text or "√" in text:
        weight += 3.0
    if "How many" in text or "how many" in text or "How much" in text or "how much" in text:
        digits = sum(character.isdigit() for character in text[:600])
        weight += 3.0 if digits >= 2 else 0.0
    return weight


def _options(text: str) -> bool:
    """Whether the text offers lettered or numbered options to choose from."""
    return (
        ("(A)" in text and "(B)" in text)
        or ("A) " in text and "B) " in text)
        or ("\nA. " in text and "\nB. " in text)
        or ("Option 1" in text and "Option 2" in text)
        or ("(1)" in text and "(2)" in text and ("option" in text or "Option" in text))
    )
