"""The bridge between the event loop and the ledger's writer thread: hand a record over, wait for its commit."""

import asyncio
import logging
from collections.abc import Callable

from gateway.errors import Unavailable
from storage.errors import WriterFull
from storage.records import CompletionRecord, FeedbackReceipt, FeedbackRecord
from storage.writer import Committed, Writer

log = logging.getLogger(__name__)


class Recorder:
    """Records completions and feedback; what a commit changed is applied to the routers in memory.

    With `durable` (the durability `commit`) a completion waits for its commit; feedback always does.
    """

    def __init__(self, durable: bool, apply: Callable[[Committed], None]) -> None:
        self._durable = durable
        self._apply = apply
        self._loop = asyncio.get_running_loop()
        self._writer: Writer | None = None

    def attach(self, writer: Writer) -> None:
        """Name the writer whose `deliver` is this recorder's."""
        self._writer = writer

    @property
    def writer(self) -> Writer:
        """The ledger's writer. Only after `attach`."""
        assert self._writer is not None, "attach a writer first"  # noqa: S101 - a wiring mistake, not an input
        return self._writer

    def deliver(self, committed: Committed) -> None:
        """Called by the writer's thread, once per batch."""
        self._loop.call_soon_threadsafe(self._committed, committed)

    async def completion(self, record: CompletionRecord) -> None:
        """Write a completion. Returns when it is durable as configured. Raises Unavailable."""
        waiting = self._submit(record)
        if self._durable:
            await waiting
        else:
            waiting.add_done_callback(_log_failure)

    async def feedback(self, records: tuple[FeedbackRecord, ...]) -> tuple[FeedbackReceipt, ...]:
        """Write scores, all or none, and return when they are committed. Raises Unavailable and storage's errors."""
        receipts: tuple[FeedbackReceipt, ...] = await self._submit(records)
        return receipts

    def _submit(
        self, item: CompletionRecord | tuple[FeedbackRecord, ...]
    ) -> "asyncio.Future[tuple[FeedbackReceipt, ...]]":
        waiting: asyncio.Future[tuple[FeedbackReceipt, ...]] = self._loop.create_future()
        try:
            self.writer.submit(item, waiting)
        except WriterFull:
            raise Unavailable("the ledger's queue is full; try again shortly", retry_after_seconds=1) from None
        return waiting

    def _committed(self, committed: Committed) -> None:
        self._apply(committed)
        for waiting, result in committed.results:
            if waiting.cancelled():
                continue
            if isinstance(result, Exception):
                waiting.set_exception(result)
            else:
                waiting.set_result(result)


def _log_failure(waiting: "asyncio.Future[tuple[FeedbackReceipt, ...]]") -> None:
    if not waiting.cancelled() and waiting.exception() is not None:
        log.error("a completion could not be recorded: %s", waiting.exception())
