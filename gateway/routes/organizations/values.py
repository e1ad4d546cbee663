"""Times and money as Dari writes them: RFC 3339, and dollars as decimal strings."""

from datetime import UTC, datetime
from decimal import Decimal


def instant(at: float) -> str:
    """An instant in RFC 3339.

    >>> instant(1764000000.0)
    '2025-11-24T16:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def instant_if(at: float | None) -> str | None:
    """The same of an instant that may not be known."""
    return None if at is None else instant(at)


def dollars(usd: float) -> str:
    """Dollars as a decimal string, to a billionth.

    >>> dollars(0.0025), dollars(1e-7), dollars(0.0), dollars(1200.0)
    ('0.0025', '0.0000001', '0', '1200')
    """
    rounded = format(Decimal(repr(round(usd, 9))), "f")
    return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded
