"""Writes what routers believe of their models to this process's cells, and how long newer statistics wait for that."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from math import sqrt

from bandit.buckets import bucketed
from bandit.objective import TYPICAL_PROMPT_TOKENS
from bandit.posteriors.snapshot import Snapshot
from bandit.statistics import ANY_TASK
from bandit.types import Epoch, LoopTime, PromptParts
from gateway.routing.router import LiveRouter
from gateway.telemetry.cells import NOT_TOLD, Cells
from gateway.telemetry.families import (
    POSTERIOR_COST_USD,
    POSTERIOR_QUALITY,
    POSTERIOR_QUALITY_DEVIATION,
    POSTERIOR_SECONDS,
    SNAPSHOT_AGE,
)

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
MOST_ROUTERS = 20
"""Routers that are told anew in a second: a snapshot takes up to a millisecond, and is taken for requests anyway."""
MOST_ROWS = 20_000
"""Routers' models and classes that a process tells of, so that they leave room for what else is counted."""

Row = tuple[str, str, str]
"""Router, model and class, "" for all of them: values of labels."""

_FAMILIES = (POSTERIOR_QUALITY, POSTERIOR_QUALITY_DEVIATION, POSTERIOR_SECONDS, POSTERIOR_COST_USD)
_UNTOLD = (NOT_TOLD,) * len(_FAMILIES)


class Posteriors:
    """Gauges of expected score, seconds and dollars, as a decision at this moment would take them.

    `by_task`: of each class, too. For the event loop alone.
    """

    def __init__(
        self, cells: Cells, routers: Mapping[str, LiveRouter], clock: Callable[[], Epoch], *, by_task: bool
    ) -> None:
        self._cells = cells
        self._routers = routers
        self._clock = clock
        self._by_task = by_task
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, float] = {}  # routers that are not told as they are, since when, the first one first
        self._told: dict[str, tuple[Snapshot, frozenset[Row]]] = {}
        self._rows: set[Row] = set()  # all that were ever told: their cells are not given back

    async def run(self) -> None:
        """Refresh every second, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("posteriors could not be told in metrics")
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Write what has changed, of some routers: those that have waited longest."""
        for router_id in self._told.keys() - self._routers.keys():
            self._replace(self._told.pop(router_id)[1], frozenset())
        now = self._loop.time()
        for router_id, router in self._routers.items():
            told = self._told.get(router_id)
            if router.models and (told is None or router.newest_snapshot is not told[0]):
                self._waiting.setdefault(router_id, now)
        for router_id in list(self._waiting)[:MOST_ROUTERS]:
            del self._waiting[router_id]
            if (live := self._routers.get(router_id)) is not None and live.models:
                self._tell(live)
            await asyncio.sleep(0)  # requests come between
        age = now - next(iter(self._waiting.values()), now)
        self._cells.values[self._cells.start_of(SNAPSHOT_AGE)] = age

    def _tell(self, router: LiveRouter) -> None:
        # Not `published`, which would keep the snapshots of a router renewed that nobody asks here.
        snapshot = router.newest_snapshot
        if snapshot is None:
            snapshot = router.renewed(self._clock(), LoopTime(self._loop.time())).snapshot
        before = self._told[router.id][1] if router.id in self._told else frozenset()
        written: set[Row] = set()
        for row, values in self._values(snapshot):
            if row not in self._rows:
                if len(self._rows) >= MOST_ROWS:
                    log.error("metrics tell of %d posteriors at most: not of %s", MOST_ROWS, row)
                    break
                self._rows.add(row)
            self._write(row, values)
            written.add(row)
        self._told[router.id] = snapshot, frozenset(written)
        self._replace(before, frozenset(written))

    def _values(self, snapshot: Snapshot) -> Iterator[tuple[Row, tuple[float, ...]]]:
        """The values of `_FAMILIES` by router, model and class, those of all classes first."""
        tasks = sorted(snapshot.table.task_columns) if self._by_task else (ANY_TASK,)
        for task in tasks:
            prompt = PromptParts(int(TYPICAL_PROMPT_TOKENS))
            context = bucketed(task, prompt, max_tokens=None, stream=False, wants_json=False)
            (quality, variance), (seconds, _) = snapshot.quality(task), snapshot.seconds(context)
            columns = (quality, variance, seconds, snapshot.cost_usd(context)[0])
            for arm, (mean, spread, *amounts) in zip(snapshot.arms, zip(*columns, strict=True), strict=True):
                yield (snapshot.router_id, arm.model_id, task), (mean, sqrt(spread), *amounts)

    def _replace(self, before: frozenset[Row], written: frozenset[Row]) -> None:
        for row in before - written:
            self._write(row, _UNTOLD)

    def _write(self, row: Row, values: tuple[float, ...]) -> None:
        for family, value in zip(_FAMILIES, values, strict=True):
            self._cells.values[self._cells.start_of(family, *row)] = value
