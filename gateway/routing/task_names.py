"""A router's task names: up to 64 of those that callers state; any other name is the class "other".

Each name is a column in every snapshot of its router, so their number is bounded, and the database decides which names
are admitted. The first request that states a new name waits for that, up to a second, and every process follows.
Requests with a name that is known, or for which there is no room, wait for nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from bandit.statistics import ANY_TASK
from bandit.types import Epoch, LoopTime
from gateway.tasks.classifier import TASK_NAMES
from storage.errors import DatabaseUnavailable
from storage.stores.tasks import LARGEST_COUNT, UNUSED_SECONDS, Tasks

log = logging.getLogger(__name__)

OTHER = "other"
"""The class of all stated names that were not admitted."""

WAIT_SECONDS = 1.0
"""How long a request waits until its new name is admitted; after that its class is "other"."""

RETRY_SECONDS = 5.0
"""Until the next attempt for a router after the database was unavailable or has refused a name."""

MOST_AT_ONCE = 2
"""Names that are admitted at one time: each takes a thread and a transaction."""

ALWAYS = frozenset({ANY_TASK, OTHER, *TASK_NAMES})
"""Classes that are not admitted but always there: requests that state no name have those of the built-in classifier."""


class TaskNames:
    """A router's names with their last use, as this process knows it. For the event loop."""

    __slots__ = ("_last_used_at", "retry_at", "waiting")

    def __init__(self) -> None:
        self._last_used_at: dict[str, float] = {}
        self.retry_at = LoopTime(0.0)
        self.waiting: dict[str, asyncio.Task[None]] = {}  # names that are being admitted

    def __contains__(self, task: str) -> bool:
        return task in ALWAYS or task in self._last_used_at

    def known(self) -> list[str]:
        """The classes that requests of the router may have, sorted: admitted names and the classifier's."""
        return sorted({*TASK_NAMES, *self._last_used_at})

    def use(self, stated: str, now: Epoch) -> str:
        """Return the class of a request that states a name: that name, or "other"."""
        if stated in ALWAYS:
            return stated
        if stated not in self._last_used_at:
            return OTHER
        self._last_used_at[stated] = now
        return stated

    def replace(self, last_used_at: Mapping[str, float], now: Epoch) -> None:
        """Replace the names by those of the database. Uses that it does not have yet are kept, and so are names in use:
        what was read may be older than their admission, and only unused names are ever deleted.
        """
        known = self._last_used_at
        in_use = {task: at for task, at in known.items() if at >= now - UNUSED_SECONDS}
        # A use after `now` was stored by a clock that was ahead: it would keep its name's place until then.
        merged = {task: max(at, known.get(task, at)) for task, at in last_used_at.items()}
        self._last_used_at = {task: min(at, now) for task, at in (in_use | merged).items()}

    def have_room(self, now: Epoch) -> bool:
        """Test whether there is room for another name, beside those that are being admitted."""
        used = sum(at >= now - UNUSED_SECONDS for at in self._last_used_at.values())
        return used + len(self.waiting) < LARGEST_COUNT


class TaskAdmission:
    """Admits new names, a few at a time."""

    def __init__(self, store: Tasks, clock: Callable[[], Epoch]) -> None:
        self._store = store
        self._clock = clock
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    async def admit(self, router_id: str, names: TaskNames, stated: str | None) -> None:
        """Admit a name that is stated for the first time, if there is room, and wait for that a little."""
        if stated is None or stated in names:
            return
        loop = asyncio.get_running_loop()
        admission = names.waiting.get(stated)
        if admission is None:
            if loop.time() < names.retry_at or not names.have_room(self._clock()):
                return
            admission = names.waiting[stated] = loop.create_task(self._admit(router_id, names, stated))
            self._running.add(admission)
            admission.add_done_callback(self._running.discard)
        _, late = await asyncio.wait({admission}, timeout=WAIT_SECONDS)
        if late:
            names.retry_at = LoopTime(loop.time() + RETRY_SECONDS)

    async def close(self) -> None:
        """Stop, without admitting names that wait."""
        for admission in self._running:
            admission.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _admit(self, router_id: str, names: TaskNames, stated: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._room:
                admitted = await asyncio.to_thread(self._store.admit, router_id, stated, self._clock())
                names.replace(admitted, self._clock())
            if stated not in names:
                names.retry_at = LoopTime(loop.time() + RETRY_SECONDS)
        except DatabaseUnavailable as error:
            log.info("a task's name of router %s is admitted later: %s", router_id, error)
            names.retry_at = LoopTime(loop.time() + RETRY_SECONDS)
        finally:
            del names.waiting[stated]
