"""Estimates: means per request with 95% intervals, of which figures, and from how much evidence."""

from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE = 0.95
CELL_WEIGHT = 4.0
"""A model's mean is worth this many observations in a class, and the log's mean this many of a model."""
SPREAD_WEIGHT = 2.0
"""The squared residual that a model's mean lets expect is worth this many observations of it in a class."""
SMALLEST_EFFECTIVE_SIZE = 30.0


class Figure(StrEnum):
    """What is estimated, a mean per request. Quality counts a failure as 0; utility is in dollars, without λ."""

    QUALITY = "quality"
    COST = "cost_usd"
    SECONDS = "seconds"
    SUCCESS = "success"
    UTILITY = "utility_usd"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean per request and its 95% interval."""

    mean: float
    low: float
    high: float


def wilson(rate: float, doubt: float) -> Estimate:
    """Wilson's interval of a rate (1927); `doubt` is z² over as many independent trials as say as much of it.

    >>> wilson(0.5, 1.96**2 / 10)
    Estimate(mean=0.5, low=0.23658959361548731, high=0.7634104063845126)
    """
    middle = (rate + doubt / 2.0) / (1.0 + doubt)
    half = (doubt * rate * (1.0 - rate) + doubt**2 / 4.0) ** 0.5 / (1.0 + doubt)
    return Estimate(rate, middle - half, middle + half)
