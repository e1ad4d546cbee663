"""Whether the gateway can serve, and what an operator should fix although it can."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from gateway.maintenance.heartbeat import Heartbeat
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from gateway.routing.router import LiveRouter
from storage.stores.replicas import Finding
from storage.writing.failover import State


class Readiness:
    """Judges by the ledger's state, the routers and the circuit breakers. `database` names the ledger in messages.

    `unreadable` says of routers why their settings can't be read.
    `remarks` are facts that an operator should know, and need not change.
    `refused_configuration` says when and why the last reload was refused. Not ready once it is `stopping`, so that load
    balancers send requests elsewhere while they are still served.
    """

    def __init__(
        self,
        recorder: Recorder,
        routers: Mapping[str, LiveRouter],
        unreadable: Mapping[str, str],
        model_states: ModelStates,
        database: str,
        remarks: Sequence[str] = (),
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self.remarks = list(remarks)
        self.stopping = False
        self.refused_configuration: str | None = None
        self._recorder = recorder
        self._routers = routers
        self._unreadable = unreadable
        self._cooldowns = model_states.cooldowns
        self._judges = model_states.judges
        self._database = database
        self._heartbeat = heartbeat

    def problems(self) -> list[str]:
        """What keeps the gateway from serving."""
        if self.stopping:
            return ["the gateway is being stopped: send requests to another one"]
        if self._recorder.problem is not None:
            return [self._recorder.problem]
        if self._recorder.state is State.FULL:
            return ["neither the database nor the local spool can take a record: see the log"]
        if not self._routers:
            lines = [f"the settings of router {router_id} can't be read" for router_id in sorted(self._unreadable)]
            return lines or ["there is no router: declare one in the configuration file"]
        return self._unusable() if len(self._unusable()) == len(self._routers) else []

    def notes(self) -> list[str]:
        """What an operator should fix although the gateway serves."""
        notes = [f"{model_id}: {why}" for model_id, why in sorted(self._cooldowns.parked().items())]
        if self._recorder.state is State.SPOOLING:
            notes.append(f"the database {self._database} is away: completions wait in the local spool")
        notes += self._heartbeat.remarks() if self._heartbeat else []
        return notes + [finding.text for finding in self.findings()]

    def findings(self) -> list[Finding]:
        """The notes that this process alone can tell: not those about models, the database, or all processes."""
        found: list[Finding] = []
        if self.refused_configuration is not None:
            told = f"the configuration could not be read again, at {self.refused_configuration}"
            found.append(Finding("configuration_refused", told))
        for router_id, why in sorted(self._unreadable.items()):
            served = "is served with its former settings" if router_id in self._routers else "is not served"
            found.append(Finding("router_unreadable", f"router {router_id} {served}; its own can't be read: {why}"))
        for router_id, live in sorted(self._routers.items()):
            for model_id, why in live.definition.left_out.items():
                found.append(Finding("model_left_out", f"router {router_id} is served without {model_id}: {why}"))
            found += [Finding("judging_idle", f"router {router_id} {why}") for why in self._idle_judging(live)]
        found += [Finding("spool_problem", problem) for problem in self._recorder.spool_problems]
        return found + [Finding("router_unusable", line) for line in self._unusable()]

    def _idle_judging(self, live: LiveRouter) -> Iterator[str]:
        """Why answers that are to be judged or compared are not."""
        options, judges = live.options, live.definition.judges
        parked = self._judges.parked()
        if options.judge is None:
            if options.shadow is not None:
                yield "compares no answers: shadow needs a judge"
        elif not judges:
            yield f"is not judged: {', '.join(options.judge.models)} can't be used as configured"
        elif all(judge.id in parked for judge in judges):
            yield "is not judged: " + "; ".join(f"{judge.id} is parked: {parked[judge.id]}" for judge in judges)
        if options.shadow is not None and options.shadow.share > 0.0 and len(live.models) < 2:
            yield "compares no answers: shadow needs a second enabled model"

    def _unusable(self) -> list[str]:
        """One line per router without a usable model. A rate limit makes no model unusable: it passes."""
        now = asyncio.get_running_loop().time()
        return [
            f"router {router_id} has no usable model: " + (", ".join(sorted(live.models)) or "none is enabled")
            for router_id, live in sorted(self._routers.items())
            if all(self._cooldowns.is_broken(model.id, now) for model in live.models.values())
        ]
