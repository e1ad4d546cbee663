"""The day's money: what a router has spent since midnight UTC, and what its running requests are expected to."""

import math

from bandit.types import Epoch

DAY_SECONDS = 86_400


def day_of(at: Epoch) -> int:
    """The UTC day of an instant, in days since the epoch."""
    return int(at // DAY_SECONDS)


class DailySpend:
    """A hard limit on a router's dollars a day; `limit_usd` None: no limit.

    Every process counts its own spending at once and the others' when it follows their commits, within about a second:
    that is how far the limit can be overrun, besides what requests cost above their expectation.
    """

    __slots__ = ("_day", "_ledger_usd", "_reserved_usd", "_spent_usd", "limit_usd")

    def __init__(self) -> None:
        self.limit_usd: float | None = None
        self._day = 0
        self._spent_usd = 0.0
        self._reserved_usd = 0.0
        self._ledger_usd: dict[int, float] = {}  # of days that have not begun here

    def left_usd(self, now: Epoch) -> float:
        """Dollars that may still be spent today, those set aside excluded; infinite without a limit."""
        if self.limit_usd is None:
            return math.inf
        self._turn(now)
        return max(self.limit_usd - self._spent_usd - self._reserved_usd, 0.0)

    def reserve(self, expected_usd: float, now: Epoch) -> None:
        """Set aside what a request is expected to cost, until `settle`."""
        self._turn(now)
        self._reserved_usd += expected_usd

    def settle(self, expected_usd: float, cost_usd: float, now: Epoch) -> None:
        """The request is over: what it cost takes the place of what was set aside."""
        self._turn(now)
        self._reserved_usd = max(self._reserved_usd - expected_usd, 0.0)
        self._spent_usd += cost_usd

    def replace(self, day: int, spent_usd: float) -> None:
        """Take the ledger's own figure, in which all processes are."""
        if day == self._day:
            self._spent_usd = spent_usd
        elif day > self._day:
            self._ledger_usd[day] = spent_usd

    def _turn(self, now: Epoch) -> None:
        today = day_of(now)
        if today > self._day:
            self._day, self._spent_usd = today, self._ledger_usd.get(today, 0.0)
            self._ledger_usd = {day: usd for day, usd in self._ledger_usd.items() if day > today}
