"""Writes the state of this process to its cells, every second and before it answers a scrape."""

import asyncio
import logging
import resource
from collections.abc import Callable, Mapping

from bandit.types import Epoch
from gateway.limits.limiter import KeyLimiter
from gateway.recorder import Recorder
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.router import LiveRouter
from gateway.telemetry.cells import Cells
from gateway.telemetry.families import (
    BUDGET_MULTIPLIER,
    CPU_SECONDS,
    LEDGER_QUEUE,
    LEDGER_REFUSED,
    LEDGER_SPOOLED,
    LEDGER_STATE,
    LIMIT_USD,
    LOG_LINES,
    LOOP_LAG,
    MODEL_STATE,
    SPENT_USD,
    TASKS,
    WORKERS,
    Family,
)
from gateway.telemetry.log_writer import LogWriter
from storage.writing.failover import State

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0


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
        self._lines_before: dict[tuple[str, str], float] = {}
        self._refused_count = refused_count
        self._limiter = limiter
        self._key_budgets: set[tuple[str, str]] = set()  # scopes and ids, as they were written last
        self._loop = asyncio.get_running_loop()
        self._states: dict[str, tuple[str, str]] = {}  # of models, as they were written last
        self._cpu_before = cells.values[cells.start_of(CPU_SECONDS)]  # of processes that had this slot before
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
        self._set(self._cpu_before + used.ru_utime + used.ru_stime, CPU_SECONDS)
        for (level, result), lines in self._logs.counts.items():
            before = self._lines_before.get((level, result))
            if before is None:
                before = self._cells.values[self._cells.start_of(LOG_LINES, level, result)]
                self._lines_before[level, result] = before
            self._set(before + lines, LOG_LINES, level, result)
        self._set(len(asyncio.all_tasks(self._loop)), TASKS)
        self._set(self._recorder.queued, LEDGER_QUEUE)
        self._set(self._recorder.spooled, LEDGER_SPOOLED)
        self._set(self._refused_count(), LEDGER_REFUSED)
        for state in State:
            self._set(self._recorder.state is state, LEDGER_STATE, state.value)
        self._write_model_states()
        now = self._clock()
        for router in self._routers.values():
            if router.spend.limit_usd is not None:
                self._set(router.spend.today_usd(now), SPENT_USD, "router", router.id)
                self._set(router.spend.limit_usd, LIMIT_USD, "router", router.id)
            if router.options.budget_usd_per_request is not None:
                self._set(router.state.budget.multiplier, BUDGET_MULTIPLIER, router.id)

        self._write_key_budgets(now)

    def _write_key_budgets(self, now: Epoch) -> None:
        budgets: dict[tuple[str, str], tuple[float, float]] = {}
        for allowance in self._limiter.all():
            spending = allowance.spending
            if spending.per_day is not None:
                budgets["key", allowance.key_id] = (spending.today_usd(now), spending.per_day)
            if spending.per_month is not None:
                budgets["key_month", allowance.key_id] = (spending.month_usd(now), spending.per_month)
        for budget in self._key_budgets - budgets.keys():  # its limit was taken away
            self._set(0.0, SPENT_USD, *budget)
            self._set(0.0, LIMIT_USD, *budget)
        for budget, (spent_usd, limit_usd) in budgets.items():
            self._set(spent_usd, SPENT_USD, *budget)
            self._set(limit_usd, LIMIT_USD, *budget)
        self._key_budgets = set(budgets)

    def _write_model_states(self) -> None:
        ok = ("ok", "")
        states = {model_id: ok for router in self._routers.values() for model_id in router.models}
        states |= {model_id: state for model_id, state in self._cooldowns.states().items() if model_id in states}
        for model_id, state in self._states.items():
            if states.get(model_id) != state:
                self._set(0.0, MODEL_STATE, model_id, *state)
        for model_id, state in states.items():
            self._set(1.0, MODEL_STATE, model_id, *state)
        self._states = states

    def _set(self, value: float, family: Family, *labels: str) -> None:
        self._cells.values[self._cells.start_of(family, *labels)] = float(value)
