"""A router's classes beside the built-in ones: up to 64 tasks that callers state and call sites that recur.

Each is a column in every snapshot of its router, so their number is bounded, and the database decides which ones are
admitted; every process follows. Any other stated name is the class "other"; requests of other call sites have built-in
classes. The first request that states a new name waits for its admission, up to a second. Requests with a name that is
known, or for which there is no room, wait for nothing, and no request waits for a call site.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bandit.statistics import ANY_TASK
from bandit.types import Epoch, LoopTime
from gateway.routing.sightings import Sighting, Sightings
from gateway.tasks.call_sites import CallSite, is_call_site
from gateway.tasks.classifier import TASK_NAMES
from storage.errors import DatabaseUnavailable
from storage.stores.tasks import IDLE_SECONDS, LARGEST_COUNT, UNUSED_SECONDS, NewTask, TaskRow, Tasks

log = logging.getLogger(__name__)

OTHER = "other"
"""The class of all stated names that were not admitted."""

WAIT_SECONDS = 1.0
"""How long a request waits until its new name is admitted; after that its class is "other"."""

RETRY_SECONDS = 5.0
"""Until the next attempt for a router after the database was unavailable or has refused a name."""

GATHERED_SECONDS = 1.0
"""How long a call site waits for others, if no stated name waits: to admit some takes hardly longer than one."""

MOST_AT_ONCE = 100
"""Names of a transaction."""

ALWAYS = frozenset({ANY_TASK, OTHER, *TASK_NAMES})
"""Classes that are not admitted but always there: requests that state no name have those of the built-in classifier."""


NO_CALL_SITES: Mapping[str, str] = MappingProxyType({})


class TaskNames:
    """A router's names with their last use, as this process knows it. For the event loop.

    Of call sites, `called` says what people are shown, `built_in` the class that the statistics back off to. `revision`
    counts the changes.
    """

    __slots__ = (
        "_by_name",
        "_last_used_at",
        "_rows",
        "built_in",
        "called",
        "retry_at",
        "revision",
        "sightings",
        "waiting",
    )

    def __init__(self) -> None:
        self._rows: dict[str, TaskRow] = {}
        self._last_used_at: dict[str, float] = {}
        self._by_name: dict[str, str] = {}  # call sites by what they are called
        self.called: Mapping[str, str] = NO_CALL_SITES
        self.built_in: Mapping[str, str] = NO_CALL_SITES
        self.revision = 0
        self.retry_at = LoopTime(0.0)
        self.waiting: dict[str, asyncio.Future[None]] = {}  # names that are being admitted
        self.sightings = Sightings()

    def __contains__(self, task: str) -> bool:
        return task in ALWAYS or task in self._last_used_at or task in self._by_name

    def known(self) -> list[str]:
        """The classes that requests of the router may have, sorted: admitted names and the classifier's."""
        return sorted({*TASK_NAMES, *self._last_used_at})

    def use(self, stated: str, now: Epoch) -> str:
        """Return the class of a request that states a name: that name, the call site of that name, or "other"."""
        if stated in ALWAYS:
            return stated
        if stated not in self._last_used_at:
            if stated not in self._by_name:
                return OTHER
            stated = self._by_name[stated]
        self._last_used_at[stated] = now
        return stated

    def replace(self, rows: Mapping[str, TaskRow], now: Epoch) -> None:
        """Replace the names by those of the database. Uses that it does not have yet are kept, and so are names in use:
        what was read may be older than their admission, and only unused names are ever deleted.
        """
        known = self._last_used_at
        in_use = {task: row for task, row in self._rows.items() if not self._may_go(task, now)}
        self._rows = in_use | dict(rows)
        # A use after `now` was stored by a clock that was ahead: it would keep its name's place until then.
        self._last_used_at = {
            task: min(max(row.last_used_at, known.get(task, row.last_used_at)), now) for task, row in self._rows.items()
        }
        self.called = {task: row.name for task, row in self._rows.items() if row.name is not None}
        self._by_name = {name: task for task, name in self.called.items()}
        self.built_in = {task: row.built_in for task, row in self._rows.items() if row.built_in is not None}
        self.revision += 1

    def have_room(self, now: Epoch, *, for_call_site: bool = False) -> bool:
        """Test whether there is room for another name, beside those that are being admitted.

        For one that is stated, an idle call site makes room.
        """
        in_the_way = sum(
            at >= now - UNUSED_SECONDS if for_call_site else not self._may_go(task, now)
            for task, at in self._last_used_at.items()
        )
        return in_the_way + len(self.waiting) < LARGEST_COUNT

    def _may_go(self, task: str, now: Epoch) -> bool:
        seconds = UNUSED_SECONDS if self._rows[task].built_in is None else IDLE_SECONDS
        return self._last_used_at[task] < now - seconds


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A name that waits for its admission."""

    names: TaskNames
    task: NewTask
    admission: "asyncio.Future[None]"

    def end(self) -> None:
        """Admitted or not, it waits no longer."""
        del self.names.waiting[self.task.task]
        if not self.admission.done():
            self.admission.set_result(None)


class TaskAdmission:
    """Admits new names: those that have come meanwhile, of any router, in one transaction."""

    def __init__(self, store: Tasks, clock: Callable[[], Epoch]) -> None:
        self._store = store
        self._clock = clock
        self._queue: list[_Wanted] = []
        self._stated = asyncio.Event()  # a request waits
        self._running: asyncio.Task[None] | None = None

    async def admit(self, router_id: str, names: TaskNames, stated: str) -> None:
        """Admit a name that is stated for the first time, if there is room, and wait for that a little."""
        if stated in names or is_call_site(stated):
            return
        loop = asyncio.get_running_loop()
        admission = names.waiting.get(stated)
        if admission is None:
            if loop.time() < names.retry_at or not names.have_room(self._clock()):
                return
            admission = self._begin(router_id, names, stated)
        _, late = await asyncio.wait({admission}, timeout=WAIT_SECONDS)
        if late:
            names.retry_at = LoopTime(loop.time() + RETRY_SECONDS)

    def see(self, router_id: str, names: TaskNames, site: CallSite, sighting: Sighting, *, named: bool) -> None:
        """Note a request of a call site that is no class yet, and admit it if it recurs and there is room.

        Nobody waits for that. `named`: it is called by the first words of its prompt.
        """
        if site.key in names.waiting or asyncio.get_running_loop().time() < names.retry_at:
            return
        built_in = names.sightings.add(site.key, sighting)
        if built_in is not None and names.have_room(self._clock(), for_call_site=True):
            name = site.name if named else f"call site {site.key[-6:]}"
            self._begin(router_id, names, site.key, name, built_in)

    async def close(self) -> None:
        """Stop, without admitting names that wait."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _begin(
        self, router_id: str, names: TaskNames, task: str, name: str | None = None, built_in: str | None = None
    ) -> "asyncio.Future[None]":
        admission = names.waiting[task] = asyncio.get_running_loop().create_future()
        self._queue.append(_Wanted(names, NewTask(router_id, task, self._clock(), name, built_in), admission))
        if name is None:
            self._stated.set()
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        return admission

    async def _run(self) -> None:
        """Admit until nothing waits."""
        try:
            while self._queue:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GATHERED_SECONDS):
                        await self._stated.wait()
                wanted, self._queue = self._queue[:MOST_AT_ONCE], self._queue[MOST_AT_ONCE:]
                if not self._queue:
                    self._stated.clear()
                try:
                    await self._admit(wanted)
                finally:
                    for each in wanted:
                        each.end()
        finally:
            for each in self._queue:
                each.end()
            self._queue.clear()
            self._stated.clear()

    async def _admit(self, wanted: Sequence[_Wanted]) -> None:
        retry_at = LoopTime(asyncio.get_running_loop().time() + RETRY_SECONDS)
        try:
            admitted = await asyncio.to_thread(self._store.admit, [each.task for each in wanted])
        except DatabaseUnavailable as error:
            log.info("%d names of tasks are admitted later: %s", len(wanted), error)
            for each in wanted:
                each.names.retry_at = retry_at
            return
        now = self._clock()
        for names, rows in {
            each.task.router_id: (each.names, admitted[each.task.router_id]) for each in wanted
        }.values():
            names.replace(rows, now)
        for each in wanted:
            if each.task.task not in each.names:
                each.names.retry_at = retry_at
