"""The analyst's thread: reads logs, and answers one question after the other."""

import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from bandit.ope.targets import Proposal
from bandit.types import Epoch, Objective
from gateway.analyst.answers import evaluation, frontier, to_json
from gateway.analyst.log import Evidence, RouterLog
from gateway.analyst.messages import Ask, Kind, State, Told
from gateway.analyst.pauses import Pauses
from storage.errors import DatabaseUnavailable
from storage.stores.first_draws import FirstDraws

log = logging.getLogger(__name__)

MOST_DECISIONS = 20_000
MOST_HELD = 40_000
"""Decisions of all logs together: 20,000 take some 60 MB if each has a choice of its own."""
MOST_WAITING = 32
FRESH_SECONDS = 10.0
"""An answer is given again for this long, and a log is not looked at again."""
FRONTIER_SECONDS = 120.0
"""The same for a frontier, which takes longer and moves less: a page asks for it with each of its questions."""
STALE_SECONDS = 60.0
"""A log that is older is brought up to date before the answer, and not after it."""
REREAD_SECONDS = 600.0
"""A log that is older is read anew: so what was erased from the ledger goes."""
FRONTIER_CHOICES = 4_000


@dataclass(eq=False)
class Job:
    """A question that is worked on. `done` is set when `told` is the last word."""

    ask: Ask
    told: Told = field(default_factory=lambda: Told(State.WORKING, 0.0))
    done: threading.Event = field(default_factory=threading.Event)
    finished_at: float = 0.0
    steps: Iterator[None] | None = None


class Work:
    """Questions, worked on by one thread. A question about one proposal goes before the steps of a frontier."""

    def __init__(self, ledger: FirstDraws, out_of_memory: Callable[[], None]) -> None:
        self._ledger = ledger
        self._out_of_memory = out_of_memory
        self._logs: OrderedDict[tuple[str, float], RouterLog] = OrderedDict()
        self._jobs: dict[bytes, Job] = {}
        self._adding = threading.Lock()
        self._pause = Pauses()
        self._count = 0
        self._waiting: queue.PriorityQueue[tuple[int, int, Job]] = queue.PriorityQueue()
        threading.Thread(target=self._run, daemon=True, name="analyst").start()

    def job(self, ask: Ask) -> Job:
        """The work on this question: begun now, running already, or just done. Raises Overloaded."""
        key = msgspec.json.encode(msgspec.structs.replace(ask, now=0.0, wait_seconds=0.0))
        with self._adding:
            now = time.monotonic()
            self._jobs = {
                k: job for k, job in self._jobs.items() if not job.done.is_set() or now - job.finished_at < _kept(job)
            }
            if key not in self._jobs:
                if sum(not job.done.is_set() for job in self._jobs.values()) >= MOST_WAITING:
                    raise Overloaded
                self._jobs[key] = Job(ask)
                self._put(self._jobs[key], 0 if ask.kind is Kind.EVALUATION else 1)
            return self._jobs[key]

    def _put(self, job: Job, priority: int) -> None:
        self._count += 1
        self._waiting.put((priority, self._count, job))

    def _run(self) -> None:
        yield_to_others()
        while True:
            priority, _, job = self._waiting.get()
            self._pause.begin()
            try:
                job.steps = job.steps or self._steps(job)
                if next(job.steps, job) is job:
                    self._finish(job, job.told)
                else:
                    self._put(job, max(priority, 1))
            except DatabaseUnavailable as error:
                self._finish(job, Told(State.FAILED, error=f"ledger_unavailable: {error}"))
            except MemoryError:
                self._out_of_memory()
            except Exception:
                log.exception("a question could not be answered")
                self._finish(job, Told(State.FAILED, error="internal_error: the analyst's own fault, logged there"))

    def _finish(self, job: Job, told: Told) -> None:
        job.told, job.finished_at, job.steps = told, time.monotonic(), None
        job.done.set()

    def _steps(self, job: Job) -> Iterator[None]:
        """Work on a question, with a pause after each step."""
        ask = job.ask
        proposal = Proposal(
            ask.policy, ask.objective and Objective(*ask.objective), ask.models, ask.exploration, ask.without
        )
        held = self._log(ask, lambda part: setattr(job, "told", Told(State.WORKING, round(0.9 * part, 3))))
        evidence = held.evidence(Epoch(ask.now))
        if ask.kind is Kind.EVALUATION:
            job.told = Told(State.DONE, 1.0, _encoded(to_json(evaluation(evidence, proposal, self._pause))))
            job.done.set()  # whoever waits need not wait for what follows
        else:
            yield from self._frontier(job, held.thinned(Epoch(ask.now), FRONTIER_CHOICES), proposal)
        if Epoch(ask.now) - held.read_at > FRESH_SECONDS:
            yield
            # The answer is there: a database that is away now is for the next question to tell.
            with contextlib.suppress(DatabaseUnavailable):
                held.refresh(Epoch(ask.now))
                held.evidence(Epoch(ask.now))

    def _frontier(self, job: Job, evidence: Evidence, proposal: Proposal) -> Iterator[None]:
        steps = job.ask.points + len(evidence.choices.models) + 1
        for number, known in enumerate(frontier(evidence, proposal, job.ask.points, self._pause), start=1):
            state = State.DONE if number == steps else State.WORKING
            job.told = Told(state, number / steps, _encoded(known))
            yield

    def _log(self, ask: Ask, progress: Callable[[float], None]) -> RouterLog:
        key, now = (ask.router_id, ask.days), Epoch(ask.now)
        held = self._logs.get(key)
        if held is None or now - held.started_at > REREAD_SECONDS:
            self._logs.pop(key, None)
            fresh = RouterLog(self._ledger, ask.router_id, ask.days, MOST_DECISIONS, self._pause)
            fresh.read(now, progress)
            self._logs[key] = held = fresh
        elif now - held.read_at > STALE_SECONDS:
            held.refresh(now)
        self._logs.move_to_end(key)
        while len(self._logs) > 1 and sum(map(len, self._logs.values())) > MOST_HELD:
            self._logs.popitem(last=False)
        return held


class Overloaded(Exception):
    """Too many questions wait."""


def yield_to_others() -> None:
    """Let this thread run only on processor time that nobody else wants, if the platform has such a policy.

    A thread that is merely nice finishes its slice of some milliseconds before a completion gets its turn.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may refuse it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _kept(job: Job) -> float:
    return FRONTIER_SECONDS if job.ask.kind is Kind.FRONTIER else FRESH_SECONDS


def _encoded(answer: dict[str, object]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(answer))
