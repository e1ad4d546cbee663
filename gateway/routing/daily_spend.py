"""The day's spend of a router: since midnight UTC, and what its running requests are expected to cost."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bandit.types import Epoch
from gateway.limits.spending import Spending


class DailySpend(Spending):
    """A hard limit on a router's dollars a day; `limit_usd` None: no limit. A day is named by its number.

    What is spent is the ledger's figure, over all processes, plus the cost of this process's requests that are not
    committed yet. Other processes' spending is seen about a second after their commits: that is how far
    the limit can be overrun, besides what requests cost above their expectation.
    """

    STEP = 1

    __slots__ = ("limit_usd",)

    def __init__(self) -> None:
        super().__init__()
        self.limit_usd: float | None = None

    def left_usd(self, now: Epoch) -> float:
        """Dollars that may still be spent today, without reservations; infinite without a limit."""
        if self.limit_usd is None:
            return math.inf
        return max(self.limit_usd - self.today_usd(now) - self._reserved_usd, 0.0)

    @contextmanager
    def reserving(self, most_usd: float, clock: Callable[[], Epoch]) -> Iterator[None]:
        """Reserve dollars within the context, for calls that settle their own cost."""
        self.reserve(most_usd, clock())
        try:
            yield
        finally:
            self.settle(most_usd, 0.0, clock())

    def _kept(self, now: Epoch) -> range:
        return range(self._today - 1, self._today + 2)
