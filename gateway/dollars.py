"""Amounts of money in what people read."""

from decimal import Decimal


def dollars(usd: float, digits: int = 2) -> str:
    """Dollars with this many significant digits, never with an exponent.

    >>> dollars(0.00009), dollars(0.00312), dollars(12_345.0), dollars(250.0, 6)
    ('$0.00009', '$0.0031', '$12000', '$250')
    """
    return f"${Decimal(f'{usd:.{digits}g}'):f}"
