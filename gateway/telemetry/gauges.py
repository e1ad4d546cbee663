"""Writes the state of this process to its cells, every second and before it answers a scrape."""

import asyncio
import gc
import logging
import resource
from collections.abc import Callable, Mapping
from types import MappingProxyType

from bandit.types import Epoch
from gateway.limits.limiter import KeyLimiter
from gateway.recorder import Recorder
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.router import LiveRouter
from gateway.telemetry.cells import NOT_TOLD, Cells
from gateway.telemetry.families import (
    BUDGET_MULTIPLIER,
    CPU_SECONDS,
    GC_COLLECTED,
    GC_COLLECTIONS,
    GC_UNCOLLECTABLE,
    LEDGER_QUEUE,
    LEDGER_REFUSED,
    LEDGER_SPOOLED,
    LEDGER_STATE,
    LIMIT_USD,
    LOG_LINES,
    LOOP_LAG,
    MODEL_STATE,
    REPLICA_LAG,
    SPENT_USD,
    TASKS,
    WORKERS,
    Family,
)
from gateway.telemetry.log_writer import LogWriter
from gateway.telemetry.told_keys import ToldKeys
from storage.writing.failover import State

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
_COLLECTOR: Mapping[str, Family] = MappingProxyType(
    {"collected": GC_COLLECTED, "uncollectable": GC_UNCOLLECTABLE, "collections": GC_COLLECTIONS}
)
"""What `gc.get_stats` tells of each generation."""


class Gauges:
    """Gauges of one process. For the event loop alone."""

    def __init__(
        self,
        cells: Cells,
        recorder: Recorder,
        cooldowns: Cooldowns,
        routers: Mapping[str, LiveRouter],
        clock: Callable[[], Epoch],
        logs: LogWriter,
        refused_count: Callable[[], int],
        limiter: KeyLimiter,
    ) -> None:
        self._cells = cells
        self._recorder = recorder
        self._cooldowns = cooldowns
        self._routers = routers
        self._clock = clock
        self._logs = logs
        self._before: dict[tuple[str, ...], float] = {}  # what processes that had this slot before have counted
        self._refused_count = refused_count
        self._limiter = limiter
        self._budgets: set[tuple[str, str]] = set()  # scopes and ids, as they were written last
        self._multipliers: set[str] = set()  # ids of routers, too
        self._keys = ToldKeys()
        self._loop = asyncio.get_running_loop()
        self._states: dict[str, tuple[str, str]] = {}  # of models, as they were written last
        self._set(1.0, WORKERS)

    async def run(self) -> None:
        """Refresh every second, until cancelled."""
        while True:
            due = self._loop.time() + REFRESH_SECONDS
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                self._set(max(self._loop.time() - due, 0.0), LOOP_LAG)
                self.refresh()
            except Exception:
                log.exception("gauges could not be refreshed")

    def refresh(self) -> None:
        """Write the present state."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        self._count(used.ru_utime + used.ru_stime, CPU_SECONDS)
        for generation, counts in enumerate(gc.get_stats()):
            for name, family in _COLLECTOR.items():
                self._count(counts[name], family, str(generation))
        for (level, result), lines in self._logs.counts.items():
            self._count(lines, LOG_LINES, level, result)
        self._set(len(asyncio.all_tasks(self._loop)), TASKS)
        self._set(self._recorder.queued, LEDGER_QUEUE)
        self._set(self._recorder.spooled, LEDGER_SPOOLED)
        self._set(self._refused_count(), LEDGER_REFUSED)
        self._set(self._recorder.lag_seconds, REPLICA_LAG)
        for state in State:
            self._set(self._recorder.state is state, LEDGER_STATE, state.value)
        self._write_model_states()
        self._write_budgets(self._clock())
        self._write_multipliers()

    def _write_multipliers(self) -> None:
        multipliers = {
            router.id: router.state.budget.multiplier
            for router in self._routers.values()
            if router.options.budget_usd_per_request is not None
        }
        for router_id in self._multipliers - multipliers.keys():
            self._set(NOT_TOLD, BUDGET_MULTIPLIER, router_id)
        for router_id, multiplier in multipliers.items():
            self._set(multiplier, BUDGET_MULTIPLIER, router_id)
        self._multipliers = set(multipliers)

    def _write_budgets(self, now: Epoch) -> None:
        budgets: dict[tuple[str, str], tuple[float, float]] = {
            ("router", router.id): (router.spend.today_usd(now), router.spend.limit_usd)
            for router in self._routers.values()
            if router.spend.limit_usd is not None
        }
        for allowance in self._limiter.all():
            spending = allowance.spending
            if not spending.is_limited or not self._keys.admit(allowance.key_id):
                continue
            if spending.per_day is not None:
                budgets["key", allowance.key_id] = (spending.today_usd(now), spending.per_day)
            if spending.per_month is not None:
                budgets["key_month", allowance.key_id] = (spending.month_usd(now), spending.per_month)
        for budget in self._budgets - budgets.keys():  # its limit was taken away, or its router is gone
            self._set(NOT_TOLD, SPENT_USD, *budget)
            self._set(NOT_TOLD, LIMIT_USD, *budget)
        for budget, (spent_usd, limit_usd) in budgets.items():
            self._set(spent_usd, SPENT_USD, *budget)
            self._set(limit_usd, LIMIT_USD, *budget)
        self._budgets = set(budgets)

    def _write_model_states(self) -> None:
        ok = ("ok", "")
        states = {model.id: ok for router in self._routers.values() for model in router.models.values()}
        states |= {model_id: state for model_id, state in self._cooldowns.states().items() if model_id in states}
        for model_id, state in self._states.items():
            if states.get(model_id) != state:
                self._set(0.0, MODEL_STATE, model_id, *state)
        for model_id, state in states.items():
            self._set(1.0, MODEL_STATE, model_id, *state)
        self._states = states

    def _count(self, value: float, family: Family, *labels: str) -> None:
        """Write what this process has counted, added to what was counted by those that had its slot before."""
        key = (family.name, *labels)
        if key not in self._before:
            self._before[key] = self._cells.values[self._cells.start_of(family, *labels)]
        self._set(self._before[key] + value, family, *labels)

    def _set(self, value: float, family: Family, *labels: str) -> None:
        self._cells.values[self._cells.start_of(family, *labels)] = float(value)
