"""One thread that writes everything: what is waiting goes into one transaction.

A single record is committed at once; while that commit runs the next group gathers, so groups form under load alone.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bandit.types import BudgetState, StatisticKey, Sums
from storage.batch import Batches, Item, Result, Written
from storage.engine import Database
from storage.errors import Contention, DatabaseUnavailable, LedgerError, RecordRefused, WriterFull
from storage.learned import Gathered
from storage.pacing import Pace
from storage.scoring import LearnScores

log = logging.getLogger(__name__)

_CONTENTION_TRIES = 5


@dataclass(frozen=True, slots=True)
class Committed:
    """What one batch did: each token with its result, and what the commit added to the statistics.

    A result is the receipts of a list of scores (empty for a completion), or the exception that kept the item out.
    """

    results: list[tuple[object, Result]]
    deltas: dict[StatisticKey, Sums] = field(default_factory=dict)
    budgets: dict[str, BudgetState] = field(default_factory=dict)


class Writer:
    """The ledger's one writer in this process.

    `deliver` is called in the writer's thread, once per batch, after the commit. `queue_limit` bounds what waits,
    `batch_limit` what is written at once.
    """

    def __init__(
        self,
        database: Database,
        *,
        learn_scores: LearnScores,
        pace: Pace,
        deliver: Callable[[Committed], None],
        queue_limit: int = 10_000,
        batch_limit: int = 100,
    ) -> None:
        self._batches = Batches(database, learn_scores, pace)
        self._deliver = deliver
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._queue: queue.SimpleQueue[tuple[Item, object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._closing = False

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, item: Item, token: object) -> None:
        """Queue an item; `token` comes back with its result. From any thread. Raises WriterFull."""
        if self._closing:
            raise WriterFull("the ledger's writer is closed")
        if self._queue.qsize() >= self._queue_limit:
            raise WriterFull(f"{self._queue_limit} records wait to be written")
        self._queue.put((item, token))

    def close(self) -> None:
        """Write everything that was submitted, deliver it, and end the thread."""
        self._closing = True
        self._queue.put(None)
        self._thread.join()
        self._batches.close()

    def _run(self) -> None:
        open_ = True
        while open_:
            waiting = [self._queue.get()]
            while len(waiting) < self._batch_limit and waiting[-1] is not None and not self._queue.empty():
                waiting.append(self._queue.get())
            batch = [entry for entry in waiting if entry is not None]
            open_ = len(batch) == len(waiting)
            if batch:
                self._commit([item for item, _ in batch], [token for _, token in batch])

    def _commit(self, items: list[Item], tokens: list[object]) -> None:
        written = self._write(items)
        try:
            self._deliver(Committed(list(zip(tokens, written.results, strict=True)), written.deltas, written.budgets))
        except Exception:  # the thread must outlive whoever listens
            log.exception("a commit could not be delivered")

    def _write(self, items: Sequence[Item]) -> Written:
        """Write the items together; where one of them is refused, each by itself."""
        try:
            return self._try(items)
        except DatabaseUnavailable as error:
            log.error("%s", error)
            return Written([error] * len(items))
        except Exception as error:  # the thread must outlive every record
            log.warning("a batch of %d is written one by one, because: %r", len(items), error)
        learned, budgets, results = Gathered(), dict[str, BudgetState](), list[Result]()
        for item in items:
            written = self._write_alone(item)
            results += written.results
            learned.add(written.deltas)
            budgets |= written.budgets
        return Written(results, learned.deltas(), budgets)

    def _write_alone(self, item: Item) -> Written:
        try:
            return self._try([item], again=True)
        except LedgerError as error:
            log.error("a record can't be written: %s", error)
            return Written([error])
        except Exception as error:  # the thread must outlive every record
            log.exception("a record can't be written")
            return Written([RecordRefused(f"{type(error).__name__}: {error}")])

    def _try(self, items: Sequence[Item], *, again: bool = False) -> Written:
        for _ in range(_CONTENTION_TRIES - 1):
            try:
                return self._batches.write(items, again=again)
            except Contention as error:
                log.info("a batch is written again: %s", error)
        return self._batches.write(items, again=again)
