"""How figures, times and names are written on the pages: one place, so that two pages can't disagree."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from markupsafe import Markup

from bandit.types import Json
from gateway.dollars import dollars

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
MOST_DIGITS = 4


def usd(value: float | None) -> str:
    """Dollars with about three significant digits: $1,240, $3.02, $0.0054; a minus sign before the dollar."""
    if value is None:
        return "–"
    size = abs(value)
    sign = "−" if value < 0 else ""
    if size >= 1_000:
        return f"{sign}${size:,.0f}"
    if size >= 1 or size == 0:
        return f"{sign}${size:.2f}" if size else "$0"
    digits = min(max(1 - math.floor(math.log10(size)), 2), 9)
    shown = f"{size:.{digits}f}"
    trimmed = shown.rstrip("0")
    return f"{sign}${trimmed if len(trimmed.partition('.')[2]) >= 2 else shown[: shown.index('.') + 3]}"


def usd_column(values: Iterable[float | None]) -> Callable[[float | None], str]:
    """Writes the dollars of a column with equally many decimals, so that their points stand below one another.

    As many as the smallest needs for two digits, if the largest then has up to `MOST_DIGITS`.
    """
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return usd
    smallest, largest = (math.floor(math.log10(size)) for size in (min(sizes), max(sizes)))
    decimals = max(min(1 - smallest, MOST_DIGITS - 1 - largest), 2)

    def shown(value: float | None) -> str:
        if not value:
            return usd(value)
        sign, size = "−" if value < 0 else "", abs(value)
        least = 10.0**-decimals
        return f"{sign}${size:,.{decimals}f}" if size >= 0.5 * least else f"{sign}<${least:.{decimals}f}"

    return shown


def axis_usd(value: float) -> str:
    """Dollars on an axis: $5, $0.3, −$2.5."""
    return f"{'−' if value < 0 else ''}{dollars(abs(value), 3)}"


def count(value: float) -> str:
    """A number of things: 61,204; weights that fade keep one digit below ten."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def percent(value: float) -> str:
    """A share or a probability: 61%, 0.4%, and never 0% or 100% for what is neither."""
    if 0.0 < value < 0.0005:
        return "<0.1%"
    if 0.0 < value < 0.01:
        return f"{value:.1%}"
    return ">99%" if 0.995 <= value < 1.0 else f"{value:.0%}"


def seconds(value: float | None) -> str:
    """A duration of a request: 0.4 ms, 340 ms, 2.3 s, 48 s."""
    if value is None:
        return "–"
    if value < 0.00095:
        return f"{value * 1_000:.2g} ms"
    if value < 0.9995:
        milliseconds = value * 1_000
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
    return f"{value:.1f} s" if value < 30 else f"{value:,.0f} s"


def both_seconds(values: tuple[float, float]) -> str:
    """Two durations of requests, with their unit once if it is the same: 1.8 / 6.4 s."""
    first, second = map(seconds, values)
    unit = second.rpartition(" ")[2]
    return f"{first.removesuffix(f' {unit}')} / {second}"


def span(value: float) -> str:
    """A longer time in its largest unit: 41 s, 5 min, 3 h, 12 d."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if value >= unit:
            return f"{value / unit:.0f} {name}"
    return f"{max(value, 0.0):.0f} s"


def moment(at: float, now: float | None = None) -> str:
    """An instant in UTC: Nov 24, 12:41:07; with the year if it is not that of `now`."""
    then = datetime.fromtimestamp(at, UTC)
    year = "" if now is None or datetime.fromtimestamp(now, UTC).year == then.year else f" {then.year}"
    return f"{then:%b} {then.day}{year}, {then:%H:%M:%S}"


def day(at: float) -> str:
    """A UTC day: Nov 24, 2026."""
    then = datetime.fromtimestamp(at, UTC)
    return f"{then:%b} {then.day}, {then.year}"


def short_day(at: float) -> str:
    """A UTC day on an axis: Nov 24."""
    then = datetime.fromtimestamp(at, UTC)
    return f"{then:%b} {then.day}"


def short(name: str, most: int = 28) -> str:
    """A name in a chart, which neither wraps nor scrolls: cut in the middle, because variants differ at the end."""
    if len(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[: most - 1 - half]}…{name[-half:]}"


_OPENING, _CLOSING = frozenset("\u202a\u202b\u202d\u202e"), frozenset("\u2066\u2067\u2068")


def closed(value: object) -> object:
    """A text of a template, with the ends of the changes of direction that it leaves open: they would turn its line.

    Not markup: its own texts are closed already, and one behind its last element would be a cell of a grid.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isascii():
        return value
    ends = ["\u202c" if each in _OPENING else "\u2069" for each in value if each in _OPENING or each in _CLOSING]
    return value + "".join(reversed(ends))


def shown_json(value: Json, limit: int = 80) -> str:
    """A value of an option or of a change, in one line of at most `limit` characters."""
    match value:
        case None:
            text = "none"
        case bool():
            text = "yes" if value else "no"
        case float() | int():
            text = f"{value:.12g}"
        case str():
            text = value
        case list():
            text = ", ".join(shown_json(each, limit) for each in value) or "none"
        case dict():
            parts = (f"{name} {shown_json(each, limit)}" for name, each in value.items() if each is not None)
            text = ", ".join(parts) or "none"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
