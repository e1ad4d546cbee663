"""The bridge between the event loop and the ledger's writer thread: hand a record over, wait for its commit."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from bandit.types import BudgetState, Deltas, Scores
from gateway.errors import Unavailable
from storage.engine import Database
from storage.errors import LedgerError, WriterFull
from storage.records import CompletionRecord, FeedbackReceipt, FeedbackRecord
from storage.writer import Committed, Writer

log = logging.getLogger(__name__)

Waiting: TypeAlias = "asyncio.Future[tuple[FeedbackReceipt, ...]]"


class Recorder:
    """Records completions and feedback; what a commit changed is applied to the routers in memory.

    With `durable` (the durability `commit`) a completion waits for its commit; feedback always does.
    """

    def __init__(
        self,
        database: Database,
        *,
        durable: bool,
        learn_scores: Callable[[Scores, Scores], Deltas],
        pace: Callable[[str, BudgetState, float], BudgetState | None],
        apply: Callable[[Committed], None],
    ) -> None:
        self._durable = durable
        self._apply = apply
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(database, learn_scores=learn_scores, pace=pace, deliver=self._deliver)
        self._writer.start()

    async def close(self) -> None:
        """Write everything that was handed over, and end the thread."""
        await asyncio.to_thread(self._writer.close)

    async def completion(self, record: CompletionRecord) -> None:
        """Write a completion. Returns when it is durable as configured. Raises Unavailable."""
        waiting = self._submit(record)
        if not self._durable:
            waiting.add_done_callback(_log_failure)
            return
        try:
            await waiting
        except LedgerError as error:
            raise Unavailable(
                "the answer can't be recorded now", code="ledger_unavailable", retry_after_seconds=2
            ) from error

    async def feedback(self, records: tuple[FeedbackRecord, ...]) -> tuple[FeedbackReceipt, ...]:
        """Write scores, all or none, and return when they are committed. Raises Unavailable and storage's errors."""
        receipts: tuple[FeedbackReceipt, ...] = await self._submit(records)
        return receipts

    def _submit(self, item: CompletionRecord | tuple[FeedbackRecord, ...]) -> Waiting:
        waiting: Waiting = self._loop.create_future()
        try:
            self._writer.submit(item, waiting)
        except WriterFull:
            raise Unavailable("the ledger's queue is full; try again shortly", retry_after_seconds=1) from None
        return waiting

    def _deliver(self, committed: Committed) -> None:
        """Called by the writer's thread, once per batch."""
        self._loop.call_soon_threadsafe(self._committed, committed)

    def _committed(self, committed: Committed) -> None:
        self._apply(committed)
        for waiting, result in committed.results:
            if not isinstance(waiting, asyncio.Future) or waiting.done():
                continue
            if isinstance(result, Exception):
                waiting.set_exception(result)
            else:
                waiting.set_result(result)


def _log_failure(waiting: Waiting) -> None:
    if not waiting.cancelled() and waiting.exception() is not None:
        log.error("a completion could not be recorded: %s", waiting.exception())
