"""Records through the ledger's writer thread: submits a record from the event loop, and awaits its commit."""

import asyncio
import logging
from typing import TypeAlias

from gateway.errors import Unavailable
from gateway.limits.limiter import KeyLimiter
from gateway.routing.model_states import ModelStates
from gateway.routing.publisher import Publisher
from gateway.routing.registry import Registry
from gateway.routing.reloader import Reloader
from storage.database.engine import Database
from storage.database.revisions import Topic
from storage.errors import WriterFull
from storage.records import (
    ComparisonRecord,
    CompletionRecord,
    FeedbackReceipt,
    FeedbackRecord,
    JudgingRecord,
    ValidityRecord,
)
from storage.replication.changes import Changed, Position
from storage.writing.failover import State
from storage.writing.spool import Spool
from storage.writing.transaction import Item
from storage.writing.writer import BATCH_LIMIT, Committed, Writer

log = logging.getLogger(__name__)

QUEUE_LIMIT = 10_000
"""Length of the writer's queue at which requests are refused."""

GATHER_SECONDS = 0.02
"""How long a record waits for others with the durability `async`: a process that is killed loses so much more."""

Waiting: TypeAlias = "asyncio.Future[tuple[FeedbackReceipt, ...]]"

_NOBODY = object()
"""Waits for a commit with the durability `async`."""


class Recorder:
    """Records completions and feedback, and applies what was committed, here or by other processes, to memory.

    With `durable` (the durability `commit`) a completion waits for its commit; feedback always does.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        reloader: Reloader,
        *,
        model_states: ModelStates,
        durable: bool,
        spool: Spool,
        position: Position,
        limiter: KeyLimiter,
        publisher: Publisher,
    ) -> None:
        self._durable = durable
        self._registry = registry
        self._limiter = limiter
        self._publisher = publisher
        self._reloader = reloader
        self._model_states = model_states
        self._loop = asyncio.get_running_loop()
        self._recorded: Waiting = self._loop.create_future()  # is done: what waits for no commit waits for this
        self._recorded.set_result(())
        self._gathered: list[tuple[Item, Waiting]] = []  # is handed over to the writer soon
        self._writer = Writer(
            database,
            queue_limit=QUEUE_LIMIT,
            gather_seconds=0.0 if durable else GATHER_SECONDS,
            learn_scores=registry.learn_scores,
            scale_of=registry.scale_of,
            pace=registry.pace,
            deliver=self._deliver,
            follow=self._follow,
            position=position,
            spool=spool,
        )
        self._writer.start()

    @property
    def state(self) -> State:
        """Where records go now."""
        return self._writer.state

    def is_spooling(self) -> bool:
        """Whether the local spool may hold completions."""
        return not self._writer.adopted or self._writer.state is not State.OK

    @property
    def queued(self) -> int:
        """Records that the writer has not taken yet."""
        return self._writer.queued + len(self._gathered)

    @property
    def spooled(self) -> int:
        """Completions in the local spool."""
        return self._writer.spooled

    @property
    def lag_seconds(self) -> float:
        """How long ago the changes of other processes were read for the last time."""
        return self._writer.lag_seconds

    @property
    def problem(self) -> str | None:
        """Why nothing is recorded: the writer's thread has ended, or is stuck; None if it is at work."""
        return self._writer.problem

    @property
    def spool_problems(self) -> list[str]:
        """What an operator should see to in the local spool."""
        return self._writer.spool_problems

    def require_room(self) -> None:
        """Refuse a request that could not be recorded, before a provider is paid. Raises Unavailable."""
        if self._writer.is_ready:
            return
        if self._writer.problem is not None:
            raise Unavailable(self._writer.problem, code="ledger_unavailable", retry_after_seconds=2)
        if self._writer.state is State.FULL:
            raise Unavailable(
                "neither the database nor the local spool can take a record now",
                code="ledger_unavailable",
                retry_after_seconds=2,
            )
        if self._writer.queued >= QUEUE_LIMIT:
            raise _overloaded()

    async def close(self) -> None:
        """Write everything that was submitted, and stop the writer's thread."""
        self._hand_over()
        await asyncio.to_thread(self._writer.close)

    def completion(self, record: CompletionRecord) -> Waiting:
        """Write a completion. What is returned is done when it is durable as configured, or fails by a LedgerError.

        Raises Unavailable.
        """
        if self._durable:
            return self._submit(record)
        try:
            self._writer.submit(record, _NOBODY)
        except WriterFull:
            raise _overloaded() from None
        return self._recorded

    async def feedback(self, records: tuple[FeedbackRecord, ...]) -> tuple[FeedbackReceipt, ...]:
        """Write scores, all or none, and return when they are committed. Raises Unavailable and storage's errors."""
        receipts: tuple[FeedbackReceipt, ...] = await self._submit(records)
        return receipts

    async def comparison(self, record: ComparisonRecord) -> tuple[FeedbackReceipt, ...]:
        """Write a comparison, and return when it is committed. Raises Unavailable and storage's errors."""
        receipts: tuple[FeedbackReceipt, ...] = await self._submit(record)
        return receipts

    def validity(self, record: ValidityRecord) -> None:
        """Submit a validity record, from any thread. It is dropped if the queue is full."""
        try:
            self._writer.submit(record, None)
        except WriterFull as error:
            log.debug("whether %s is valid is not recorded: %s", record.completion_id, error)

    def judging(self, record: JudgingRecord) -> None:
        """Submit what a judge's call cost. It is lost if the queue is full or the database away: see the log."""
        try:
            self._writer.submit(record, None)
        except WriterFull as error:
            log.warning("what a judge has cost is not recorded: %s", error, extra={"about": "judging"})

    def _submit(self, item: Item) -> Waiting:
        """Have an item written with those of the next two turns of the event loop.

        The writer would begin with the first of a turn, and those that follow would wait for it, and compete with it: a
        transaction of 30 requests takes less of each than one of 16 (docs/adr/0044-commits-of-two-turns.md). A turn in
        which nothing happens takes some microseconds.
        """
        waiting: Waiting = self._loop.create_future()
        if not self._gathered:
            self._loop.call_soon(self._loop.call_soon, self._hand_over)
        self._gathered.append((item, waiting))
        if len(self._gathered) == BATCH_LIMIT:
            self._hand_over()
        return waiting

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        for item, waiting in gathered:
            try:
                self._writer.submit(item, waiting)
            except WriterFull:
                if not waiting.done():
                    waiting.set_exception(_overloaded())

    def _deliver(self, committed: Committed) -> None:
        """Pass a committed batch on to the event loop. Called by the writer's thread."""
        self._loop.call_soon_threadsafe(self._committed, committed)

    def _follow(self, changed: Changed) -> None:
        """Pass other processes' changes on to the event loop. Called by the writer's thread."""
        self._loop.call_soon_threadsafe(self._changed, changed)

    def _changed(self, changed: Changed) -> None:
        self._publisher.note(self._registry.follow(changed))
        self._limiter.follow(changed)
        subjects = dict(changed.subjects)
        self._model_states.follow(subjects.pop(Topic.RESUMPTIONS, frozenset()))
        self._reloader.request(subjects)

    def _committed(self, committed: Committed) -> None:
        changed = self._registry.apply(committed)
        self._limiter.apply(committed)
        for waiting, result in committed.results:
            if waiting is _NOBODY:
                if isinstance(result, Exception):
                    log.error("a completion could not be recorded: %s", result)
            elif isinstance(waiting, asyncio.Future) and not waiting.done():
                if isinstance(result, Exception):
                    waiting.set_exception(result)
                else:
                    waiting.set_result(result)
        self._loop.call_soon(self._publisher.note, changed)  # answers first: it may renew snapshots


def _overloaded() -> Unavailable:
    return Unavailable("the ledger's queue is full; try again shortly", retry_after_seconds=1)
