"""Token bucket: holds up to a limit, and refills it evenly within a minute."""

from bandit.types import Epoch
from storage.calendar import MINUTE

MOST_DEBT = 10.0
"""How many limits a bucket can be in debt, by what others took or what answers took above their estimate."""


class Bucket:
    """What may still be taken. With a `share` below 1 it holds and refills so much less."""

    __slots__ = ("_at", "_level", "limit")

    def __init__(self, limit: int, now: Epoch) -> None:
        self.limit = limit
        self._level = float(limit)
        self._at = now

    def change_limit(self, limit: int) -> None:
        """Use another limit: what was taken stays taken."""
        self._level += limit - self.limit
        self.limit = limit

    def left(self, now: Epoch, share: float = 1.0) -> float:
        """What is in it now; negative: its debt."""
        capacity = self.limit * share
        # A clock that was set back refills nothing, and one that was set forward no more than there is room for.
        refilled = max(now - self._at, 0.0) * capacity / MINUTE
        self._at = now
        self._level = min(self._level + refilled, capacity)
        return self._level

    def take(self, amount: float) -> None:
        """Take an amount, or give back a negative one."""
        self._level = max(self._level - amount, -MOST_DEBT * self.limit)

    def take_past(self, amount: float, seconds_ago: float) -> None:
        """Take what was used some time ago, as far as it would not have been refilled since."""
        self.take(max(amount - max(seconds_ago, 0.0) * self.limit / MINUTE, 0.0))

    def seconds_until(self, amount: float, now: Epoch, share: float = 1.0) -> float:
        """Seconds until it holds the amount, if nobody takes anything."""
        return max(amount - self.left(now, share), 0.0) * MINUTE / (self.limit * share)
