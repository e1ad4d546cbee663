"""The day's spend of a router: since midnight UTC, and what its running requests are expected to cost."""

import math

from bandit.types import Epoch

DAY_SECONDS = 86_400


def day_of(at: Epoch) -> int:
    """The UTC day of an instant, in days since the epoch."""
    return int(at // DAY_SECONDS)


class DailySpend:
    """A hard limit on a router's dollars a day; `limit_usd` None: no limit.

    What is spent is the ledger's figure, over all processes, plus the cost of this process's requests that are not
    committed yet. Other processes' spending is seen about a second after their commits: that is how far
    the limit can be overrun, besides what requests cost above their expectation.
    """

    __slots__ = ("_day", "_ledger_usd", "_reserved_usd", "_uncommitted_usd", "limit_usd")

    def __init__(self) -> None:
        self.limit_usd: float | None = None
        self._day = 0
        self._ledger_usd: dict[int, float] = {}  # by day
        self._uncommitted_usd = 0.0  # of today
        self._reserved_usd = 0.0

    def left_usd(self, now: Epoch) -> float:
        """Dollars that may still be spent today, without reservations; infinite without a limit."""
        if self.limit_usd is None:
            return math.inf
        return max(self.limit_usd - self.spent_usd(now) - self._reserved_usd, 0.0)

    def spent_usd(self, now: Epoch) -> float:
        """Dollars that were spent today, over all processes as far as this one has heard."""
        self._turn(now)
        return self._ledger_usd.get(self._day, 0.0) + self._uncommitted_usd

    def reserve(self, expected_usd: float, now: Epoch) -> None:
        """Reserve what a request is expected to cost, until `settle`."""
        self._turn(now)
        self._reserved_usd += expected_usd

    def settle(self, expected_usd: float, cost_usd: float, now: Epoch) -> None:
        """Replace a finished request's reservation by its cost, which counts as uncommitted until `commit`."""
        self._turn(now)
        self._reserved_usd = max(self._reserved_usd - expected_usd, 0.0)
        self._uncommitted_usd += cost_usd

    def commit(self, day: int, cost_usd: float) -> None:
        """Move the cost of committed requests that ended on a day to the ledger's figure."""
        self._ledger_usd[day] = self._ledger_usd.get(day, 0.0) + cost_usd
        if day == self._day:
            self._uncommitted_usd = max(self._uncommitted_usd - cost_usd, 0.0)

    def replace(self, day: int, spent_usd: float) -> None:
        """Replace the ledger's figure by one that was read, which includes this process's earlier commits."""
        self._ledger_usd[day] = spent_usd

    def forget(self) -> None:
        """Forget the ledger's figures."""
        self._ledger_usd = {}

    def _turn(self, now: Epoch) -> None:
        today = day_of(now)
        if today != self._day:  # or earlier: a clock that was ahead has been set right
            self._day, self._uncommitted_usd = today, 0.0
            # Yesterday's too: if it was the clock that moved, and not the day, yesterday comes back.
            self._ledger_usd = {day: usd for day, usd in self._ledger_usd.items() if abs(day - today) <= 1}
