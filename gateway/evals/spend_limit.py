"""The limit on what a run spends: money is reserved before each call, so that only what is in flight can exceed it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class LimitReached(Exception):
    """The next call does not fit into what is left."""


@dataclass(slots=True)
class Reservation:
    """Money for one call. `spent_usd` is what it has cost, once that is known."""

    usd: float
    spent_usd: float = 0.0


class SpendLimit:
    """What a run has spent and reserved, in dollars. `spent_usd` begins with that of an interrupted run."""

    def __init__(self, limit_usd: float, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.reached = False
        self._reserved_usd = 0.0
        self._running = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, usd: float) -> AsyncIterator[Reservation]:
        """Reserve the most that a call may cost; waits for running calls if they hold too much. Raises LimitReached.

        After the first call that does not fit, none does: all models stop together.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.reached or self._fits(usd) or not self._running)
            self.reached = self.reached or not self._fits(usd)
            if self.reached:
                self._changed.notify_all()
                raise LimitReached
            self._reserved_usd += usd
            self._running += 1
        reservation = Reservation(usd)
        try:
            yield reservation
        finally:
            self._running -= 1
            self._reserved_usd = self._reserved_usd - usd if self._running else 0.0
            self.spent_usd += reservation.spent_usd
            async with self._changed:
                self._changed.notify_all()

    def _fits(self, usd: float) -> bool:
        # Rounding of sums must not refuse a call that fits exactly.
        return self.spent_usd + self._reserved_usd + usd <= self.limit_usd * (1.0 + 1e-9)
