"""SVG elements: positions in percent and sizes in pixels, so that a chart stretches and its text does not.

Colours come by class and never by `style`, which the Content-Security-Policy would refuse.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from markupsafe import Markup, escape

from bandit.quick import quick_dataclass

Point = tuple[float, float]

CHARACTER = 6.3
"""Pixels of a character of a label on average."""
LEAST = 1e-9
"""What is smaller is drawn as this on a logarithmic scale."""


class Scale(Protocol):
    """Maps values to [0, 1]."""

    def at(self, value: float) -> float:
        """The position of a value; outside of [0, 1] beyond the ends."""

    def ticks(self, most: int = 5) -> Sequence[float]:
        """Round values to label, about `most` at most."""


@quick_dataclass(frozen=True, slots=True)
class Linear:
    """A linear scale from `low` to `high`, which is larger."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """The position of a value."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 5) -> Sequence[float]:
        """Two to `most` multiples of 1, 2, 2.5 or 5 times a power of ten."""
        power = 10.0 ** math.floor(math.log10(self.high - self.low))
        for step in (power / 4, power / 2, power, 2 * power, 2.5 * power, 5 * power):
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            if 2 <= last - first + 1 <= most:
                return [step * number for number in range(first, last + 1)]
        return [self.low, self.high]


@quick_dataclass(frozen=True, slots=True)
class Logarithmic:
    """A logarithmic scale from `low` to `high`, both positive."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """The position of a value; what is not positive is far below."""
        low = math.log(self.low)
        return (math.log(max(value, LEAST)) - low) / (math.log(self.high) - low)

    def ticks(self, most: int = 5) -> Sequence[float]:
        """Two to `most` of 1, 3 and 10 times a power of ten, else the ends of the scale, rounded."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 3, 5), (1, 3), (1,)):
            fine = (factor * 10.0**power for power in powers for factor in factors)
            inside = [each for each in fine if self.low <= each * 1.0001 and each <= self.high * 1.0001]
            if 2 <= len(inside) <= most:
                return inside
        margin = (self.high / self.low) ** 0.2
        return inside[:: -(-len(inside) // most)] if len(inside) > most else [self.low * margin, self.high / margin]


def around(values: Iterable[float], *, logarithmic: bool = False) -> Scale:
    """A scale that holds all of these values with a margin."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not logarithmic)]
    if logarithmic:
        low, high = (max(min(known), LEAST), max(LEAST, *known)) if known else (1.0, 1.0)
        return Logarithmic(low / 1.3, high * 1.3)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = 0.08 * (high - low) or max(abs(high), 1e-6) * 0.1
    return Linear(low - margin, high + margin)


def chart(body: str, height: int, title: str = "", kind: str = "plot") -> Markup:
    """A chart of this height and its container's width. `title` says in a sentence what it shows."""
    named = f'role="img" aria-label="{escape(title)}"' if title else 'aria-hidden="true"'
    return Markup(f'<svg class="{kind}" height="{height}" {named}>{body}</svg>')  # noqa: S704 - texts are escaped here


def stretched(body: str) -> str:
    """Paths in a box of 1000 × 1000 that is stretched to the chart."""
    return f'<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">{body}</svg>'


def path(points: Iterable[Point], kind: str, *, width: float = 0.0, closed: bool = False) -> str:
    """A line through points, inside of `stretched`."""
    drawn = "M" + "L".join(f"{_short(1000 * x)},{_short(1000 * y)}" for x, y in points) + ("Z" if closed else "")
    stroke = f' stroke-width="{_short(width)}"' if width else ""
    return f'<path d="{drawn}" class="{kind}"{stroke}/>'


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start", dx: float = 0, dy: float = 0) -> str:
    """A text at a position, shifted by pixels."""
    place = f'x="{percent(x)}" y="{percent(y)}" dx="{_short(dx)}" dy="{_short(dy)}"'
    return f'<text {place} text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def line(start: Point, end: Point, kind: str, width: float = 1, *, dashes: str = "", round_ends: bool = False) -> str:
    """A straight line."""
    ends = f'x1="{percent(start[0])}" y1="{percent(start[1])}" x2="{percent(end[0])}" y2="{percent(end[1])}"'
    more = (f' stroke-dasharray="{dashes}"' if dashes else "") + (' stroke-linecap="round"' if round_ends else "")
    return f'<line {ends} class="{kind}" stroke-width="{_short(width)}"{more}/>'


def dot(x: float, y: float, radius: float, kind: str) -> str:
    """A filled circle."""
    return f'<circle cx="{percent(x)}" cy="{percent(y)}" r="{_short(radius)}" class="{kind}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> str:
    """A filled rectangle."""
    size = f'width="{percent(max(width, 0.0))}" height="{percent(max(height, 0.0))}"'
    return f'<rect x="{percent(x)}" y="{percent(y)}" {size} rx="{_short(radius)}" class="{kind}"/>'


def percent(share: float) -> str:
    """A position as SVG takes it."""
    return f"{_short(100 * share)}%"


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
