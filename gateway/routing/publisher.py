"""Renews the snapshots of routers that have traffic, and their usual choices, beside the requests."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

from bandit.types import Epoch, LoopTime
from gateway.routing.router import LiveRouter

log = logging.getLogger(__name__)

LARGEST_SHARE = 0.1
"""The part of the event loop's time that is taken at most. Beyond it a request renews the snapshot that it needs."""

_BURST_SECONDS = 0.005


class Publisher:
    """Renews one router's snapshot at a time, once what was learned since is worth it. For the event loop alone."""

    def __init__(self, routers: Mapping[str, LiveRouter], clock: Callable[[], Epoch]) -> None:
        self._routers = routers
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, tuple[LoopTime, asyncio.TimerHandle]] = {}
        self._due: dict[str, None] = {}  # routers that wait for their turn, in order
        self._turn: asyncio.TimerHandle | None = None
        self._free_at = LoopTime(0.0)  # when all of the share is there again

    def note(self, router_ids: Iterable[str]) -> None:
        """Renew soon what is out of date: something was learned of these routers."""
        for router_id in router_ids:
            router, waiting = self._routers.get(router_id), self._timers.get(router_id)
            if router is None or router_id in self._due or (waiting is not None and waiting[0] <= router.next_at):
                continue  # sooner is not allowed
            at = router.renewal_at(LoopTime(self._loop.time()))
            if at is not None:
                self._set_timer(router_id, at)

    def close(self) -> None:
        """Renew nothing any more."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._due.clear()
        if self._turn is not None:
            self._turn.cancel()

    def _set_timer(self, router_id: str, at: LoopTime) -> None:
        waiting = self._timers.get(router_id)
        if waiting is not None:
            if waiting[0] <= at:
                return
            waiting[1].cancel()
        self._timers[router_id] = at, self._loop.call_at(at, self._come_due, router_id)

    def _come_due(self, router_id: str) -> None:
        del self._timers[router_id]
        self._due[router_id] = None
        if self._turn is None:
            self._take_turn()

    def _take_turn(self) -> None:
        """Renew the first that is due if the share allows it now, and wait for the next turn."""
        loop_time = LoopTime(self._loop.time())
        if self._turn_at <= loop_time:
            router_id = next(iter(self._due))
            del self._due[router_id]
            self._renew(router_id, loop_time)
        self._turn = self._loop.call_at(self._turn_at, self._take_turn) if self._due else None

    @property
    def _turn_at(self) -> LoopTime:
        """When the share allows another renewal."""
        return LoopTime(self._free_at - _BURST_SECONDS / LARGEST_SHARE)

    def _renew(self, router_id: str, loop_time: LoopTime) -> None:
        router = self._routers.get(router_id)
        at = None if router is None else router.renewal_at(loop_time)
        if router is None or at is None:
            return
        if at > loop_time:  # a request has renewed it meanwhile
            self._set_timer(router_id, at)
            return
        started = perf_counter()
        try:
            router.renew(self._clock(), loop_time)
        except Exception:
            log.exception("the snapshot of router %s could not be renewed", router_id)
        taken = perf_counter() - started
        self._free_at = LoopTime(max(self._free_at, loop_time) + taken / LARGEST_SHARE)
