"""Dollars of a UTC day: what the ledger says, what is not committed yet, and what running requests may cost."""

import math
import sys
from abc import ABC, abstractmethod
from typing import ClassVar

from bandit.types import Epoch
from storage.calendar import DAY, month_start


class Spending(ABC):
    """What the ledger says of each day, what of this process is not committed yet, and what its requests may cost.

    The ledger's figures are those of all processes, as far as this one has heard. A subclass says what names a day, by
    `STEP` from one to the next, and which days are kept.
    """

    STEP: ClassVar[int]

    __slots__ = ("_day", "_ledger_usd", "_reserved_usd", "_today", "_uncommitted_usd")

    def __init__(self) -> None:
        self._today, self._day = 0, 0.0  # what names the day, and its number
        self._ledger_usd: dict[int, float] = {}  # by day
        self._uncommitted_usd = 0.0  # of today
        self._reserved_usd = 0.0

    def today_usd(self, now: Epoch) -> float:
        """Dollars spent today, without reservations."""
        self._turn(now)
        return self._ledger_usd.get(self._today, 0.0) + self._uncommitted_usd

    def reserve(self, expected_usd: float, now: Epoch) -> None:
        """Reserve what a request is expected to cost, until `settle`."""
        if now // DAY != self._day:
            self._turn(now)
        self._reserved_usd += expected_usd

    def settle(self, expected_usd: float, cost_usd: float, now: Epoch) -> None:
        """Replace a finished request's reservation by its cost, which counts as uncommitted until `commit`."""
        if now // DAY != self._day:
            self._turn(now)
        self._reserved_usd = max(self._reserved_usd - expected_usd, 0.0)
        self._uncommitted_usd += cost_usd

    def commit(self, day: int, cost_usd: float) -> None:
        """Move the cost of committed requests that ended on a day to the ledger's figure."""
        self._ledger_usd[day] = self._ledger_usd.get(day, 0.0) + cost_usd
        if day == self._today:
            self._uncommitted_usd = max(self._uncommitted_usd - cost_usd, 0.0)

    def replace(self, day: int, spent_usd: float) -> None:
        """Replace the ledger's figure by one that was read, which includes this process's earlier commits."""
        self._ledger_usd[day] = spent_usd

    def forget(self) -> None:
        """Forget the ledger's figures."""
        self._ledger_usd = {}

    def _turn(self, now: Epoch) -> None:
        day = now // DAY
        if day != self._day:  # or earlier: a clock that was ahead has been set right
            self._day, self._today, self._uncommitted_usd = day, int(day) * self.STEP, 0.0
            kept = self._kept(now)
            self._ledger_usd = {day: usd for day, usd in self._ledger_usd.items() if day in kept}

    @abstractmethod
    def _kept(self, now: Epoch) -> range:
        """The days whose figures are kept when a day begins.

        Yesterday's too: if it was the clock that moved, and not the day, yesterday comes back.
        """


class KeySpending(Spending):
    """A key's dollars in the present UTC day and month. A day is named by the second in which it began.

    `per_day` and `per_month` are limits in dollars; None: no limit.
    """

    STEP = DAY

    __slots__ = ("_month", "per_day", "per_month")

    def __init__(self) -> None:
        super().__init__()
        self.per_day: float | None = None
        self.per_month: float | None = None
        self._month = 0

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self.per_day is not None or self.per_month is not None

    def month_usd(self, now: Epoch) -> float:
        """Dollars spent this month, without reservations."""
        self._turn(now)
        return sum(usd for day, usd in self._ledger_usd.items() if day >= self._month) + self._uncommitted_usd

    def left_today_usd(self, now: Epoch, share: float = 1.0) -> float:
        """Dollars that may be spent today; infinite without a limit. `share`: this process's of what is left."""
        return self._left(self.per_day, self.today_usd(now), share)

    def left_this_month_usd(self, now: Epoch, share: float = 1.0) -> float:
        """Dollars that may be spent this month; infinite without a limit."""
        return self._left(self.per_month, self.month_usd(now), share)

    def _left(self, limit_usd: float | None, spent_usd: float, share: float) -> float:
        if limit_usd is None:
            return math.inf
        own = self._uncommitted_usd
        return max((limit_usd - (spent_usd - own)) * share - own - self._reserved_usd, 0.0)

    def _kept(self, now: Epoch) -> range:
        self._month = month_start(now)
        return range(min(self._month, self._today - DAY), sys.maxsize)
