"""Minutes, hours, days and months of UTC, in seconds since the epoch."""

from datetime import UTC, datetime

from bandit.types import Epoch

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def day_of(at: Epoch) -> int:
    """The UTC day of an instant, in days since the epoch."""
    return int(at // DAY)


def start_of(width: int, at: Epoch) -> int:
    """When the minute, the hour or the UTC day of an instant began."""
    return int(at // width) * width


def month_start(at: Epoch) -> int:
    """When the UTC month of an instant began."""
    first = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(first.timestamp())
