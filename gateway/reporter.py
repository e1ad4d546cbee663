"""Tells the heartbeat, and so all processes, how this one is doing."""

import asyncio
import logging
from collections.abc import Callable

from bandit.types import Epoch
from gateway.maintenance.heartbeat import Heartbeat
from gateway.readiness import Readiness
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from storage.stores.replicas import Finding, ModelState, ReplicaState

log = logging.getLogger(__name__)

REPORT_SECONDS = 0.5


class Reporter:
    """Reads this process's state often, for its next heartbeat. For the event loop alone."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        recorder: Recorder,
        readiness: Readiness,
        model_states: ModelStates,
        clock: Callable[[], Epoch],
    ) -> None:
        self._heartbeat = heartbeat
        self._recorder = recorder
        self._readiness = readiness
        self._cooldowns = model_states.cooldowns
        self._clock = clock

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            try:
                self._heartbeat.tell(self.state())
            except Exception:
                log.exception("the state of this process could not be told")
            await asyncio.sleep(REPORT_SECONDS)

    def state(self) -> ReplicaState:
        """How this process is doing now."""
        ahead = self._clock() - asyncio.get_running_loop().time()  # of the event loop's clock
        return ReplicaState(
            ledger=self._recorder.state.value,
            queued=self._recorder.queued,
            spooled=self._recorder.spooled,
            models=tuple(
                ModelState(model_id, state, reason, since + ahead, until + ahead)
                for model_id, state, reason, since, until in self._cooldowns.opened()
            ),
            problems=tuple(Finding("not_serving", problem) for problem in self._readiness.problems()),
            notes=tuple(self._readiness.findings()),
        )
