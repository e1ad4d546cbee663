"""The writer thread, with group commit: whatever is queued goes into one transaction.

A single record is committed at once; while that commit runs the next group gathers, so groups form only under load. The
same thread polls for other processes' changes, between its own commits: so what it delivers, in this order, always adds
up to the rows of the database.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bandit.statistics import StatisticKey, Sums
from bandit.types import BudgetState
from storage.database.checkpointer import Checkpointer
from storage.database.engine import Database
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseUnavailable, RecordRefused, WriterFull
from storage.key_usage import Cell, Usage
from storage.replication.changes import Changed, Position
from storage.writing.batch import MOST_BYTES, MOST_ROWS, size_of
from storage.writing.budgets import Pace
from storage.writing.failover import FailoverWriter, State
from storage.writing.follower import Follower
from storage.writing.scores import LearnScores, ScaleOf, unit_scale
from storage.writing.spool import Spool
from storage.writing.transaction import Item, Result, Transactions, Written

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""How long `close` waits for the thread: long enough to notice that the database hangs, and to spool what is queued."""

SILENT_SECONDS = 120.0
"""A thread that gets nothing done for so long is taken for stuck."""

ADOPT_SECONDS = 10.0
"""After which a spool that could not be opened is tried again."""

BATCH_LIMIT = 100
"""Items of a transaction, at most."""

IDLE_SECONDS = 0.1
"""How long the thread waits for a record before it polls for changes."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The effects of a batch: each token with its result, and what was added to the statistics.

    A result is the receipts of a list of scores (empty for others), or the exception that kept the item out.
    """

    results: list[tuple[object, Result]]
    deltas: dict[StatisticKey, Sums] = field(default_factory=dict)
    budgets: dict[str, BudgetState] = field(default_factory=dict)
    spend_usd: dict[tuple[str, int], float] = field(default_factory=dict)  # by router and UTC day
    usage: dict[Cell, Usage] = field(default_factory=dict)  # of API keys
    judging_usd: dict[tuple[str, str, int], float] = field(default_factory=dict)  # by router, purpose and UTC day


class Writer:
    """The ledger's writer: one per process.

    `deliver` is called in the writer's thread after each commit, `follow` with what other processes have changed since
    `position` (None: with everything that there is first).
    `queue_limit` bounds what waits, `batch_limit` what is written at once; `gather_seconds` is how long a record waits
    for others, if nobody waits for its commit: each commit takes the interpreter from requests. `spool` takes
    completions while the database is away. If `deferring`, a busy writer on SQLite adds to statistics and roll-ups up
    to a second later.
    """

    def __init__(
        self,
        database: Database,
        *,
        learn_scores: LearnScores,
        pace: Pace,
        deliver: Callable[[Committed], None],
        follow: Callable[[Changed], None] | None = None,
        position: Position | None = None,
        spool: Spool | None = None,
        queue_limit: int = 10_000,
        batch_limit: int = BATCH_LIMIT,
        gather_seconds: float = 0.0,
        scale_of: ScaleOf = unit_scale,
        deferring: bool = True,
    ) -> None:
        self._watchdog = None if database.sqlite else Watchdog()
        self._transactions = Transactions(
            database,
            learn_scores,
            pace,
            self._watchdog,
            database.clock.now,
            scale_of,
            deferring=deferring and database.sqlite,
        )
        transactions = self._transactions
        self._checkpointer = Checkpointer(database, lambda: transactions.commits) if database.sqlite else None
        self._failover = FailoverWriter(database, self._transactions, spool)
        self._deliver = deliver
        self._follower = Follower(database, self._transactions, follow, self._watchdog, position) if follow else None
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._gather_seconds = gather_seconds
        self._queue: queue.SimpleQueue[tuple[Item, object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run_to_end, name="ledger-writer", daemon=True)
        self._closing = self._has_ended = False
        self._turned = time.monotonic()
        self.adopted = False  # whether the spools of dead processes were taken over
        self._adopting_at = 0.0

    @property
    def state(self) -> State:
        """Where records go now."""
        return self._failover.state

    @property
    def queued(self) -> int:
        """Items in the queue."""
        return self._queue.qsize()

    @property
    def spooled(self) -> int:
        """Completions in the spool that wait for the database."""
        return self._failover.waiting

    @property
    def spool_problems(self) -> list[str]:
        """What an operator should see to in the spool."""
        return self._failover.spool_problems

    @property
    def lag_seconds(self) -> float:
        """How long ago the changes of other processes were read for the last time."""
        return 0.0 if self._follower is None else time.monotonic() - self._follower.followed

    @property
    def problem(self) -> str | None:
        """Why nothing is recorded: the thread has ended, or is stuck; None if it is at work."""
        if self._closing:
            return None
        if self._has_ended:  # every request asks: Thread.is_alive takes a lock
            return "the ledger's writer has ended: restart the gateway, and report the error in the log"
        last = self._turned if self._watchdog is None else max(self._turned, self._watchdog.progressed)
        silent = time.monotonic() - last
        if silent > SILENT_SECONDS:
            return f"the ledger's writer has been stuck for {silent:.0f} s: check the disk and the database"
        return None

    @property
    def is_ready(self) -> bool:
        """Whether a record that is submitted now goes to the database, and there is no problem."""
        return (
            self._failover.state is State.OK
            and self._queue.qsize() < self._queue_limit
            and not self._has_ended
            and time.monotonic() - self._turned <= SILENT_SECONDS
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, item: Item, token: object) -> None:
        """Queue an item; `token` comes back with its result. From any thread. Raises WriterFull."""
        if self._closing:
            raise WriterFull("the ledger's writer is closed")
        if self._queue.qsize() >= self._queue_limit:
            raise WriterFull(f"{self._queue_limit} records wait to be written")
        self._queue.put((item, token))

    def close(self, seconds: float = STOP_SECONDS) -> bool:
        """Write and deliver everything that was submitted, and stop the thread. Returns whether it has stopped in time.

        It is not waited for any longer: it ends with its process.
        """
        self._closing = True
        self._queue.put(None)
        self._thread.join(seconds)
        stopped = not self._thread.is_alive()
        if not stopped:
            log.error(
                "the ledger's writer has not stopped within %g s: %d records or more are not written",
                seconds,
                max(0, self.queued - 1),
            )
        return stopped

    def _run_to_end(self) -> None:
        try:
            self._run()
        finally:
            self._has_ended = True

    def _run(self) -> None:
        self._adopt()
        open_ = True
        while open_:
            self._turned = time.monotonic()
            if not self.adopted and self._turned >= self._adopting_at:
                self._adopt()
            taken = self._take()
            batch = [entry for entry in taken if entry is not None]
            open_ = len(batch) == len(taken)
            try:
                if batch:
                    self._deliver_results([token for _, token in batch], self._write([item for item, _ in batch]))
                self._poll(idle=not taken or not open_)
            except Exception:  # the thread must outlive its own mistakes
                log.exception("the ledger's writer could not poll for changes")
        for closing in (self._checkpointer, self._follower, self._watchdog, self._failover):
            try:
                if closing is not None:
                    closing.close()
            except Exception:  # the others must be closed, too
                log.exception("a part of the ledger's writer could not be closed")

    def _adopt(self) -> None:
        self.adopted = self._failover.adopt()
        self._adopting_at = time.monotonic() + ADOPT_SECONDS

    def _take(self) -> list[tuple[Item, object] | None]:
        """Wait for an entry, and take as many more as belong into the same transaction."""
        taken: list[tuple[Item, object] | None] = []
        rows = size = 0
        while len(taken) < self._batch_limit and rows < MOST_ROWS and size < MOST_BYTES:
            try:
                entry = self._queue.get(timeout=IDLE_SECONDS) if not taken else self._queue.get_nowait()
            except queue.Empty:
                break
            if not taken and entry is not None and self._gather_seconds and self._queue.qsize() < self._batch_limit:
                time.sleep(self._gather_seconds)
            taken.append(entry)
            if entry is None:
                break
            more_rows, more_bytes = size_of(entry[0])
            rows, size = rows + more_rows, size + more_bytes
        return taken

    def _write(self, items: list[Item]) -> Written:
        try:
            return self._failover.write(items)
        except Exception as error:  # the thread must outlive its own mistakes
            log.exception("a batch of %d could not be recorded", len(items))
            self._read_anew()  # a part of it may have been
            return Written([RecordRefused(repr(error))] * len(items))

    def _deliver_results(self, tokens: list[object], written: Written) -> None:
        committed = Committed(
            results=list(zip(tokens, written.results, strict=True)),
            deltas=written.deltas,
            budgets=written.budgets,
            spend_usd=written.spend_usd,
            usage=written.usage,
            judging_usd=written.judging_usd,
        )
        try:
            self._deliver(committed)
        except Exception:  # the thread must outlive errors of its listener
            log.exception("a commit could not be delivered")
            self._read_anew()
        if self._follower is not None and (written.deltas or written.judging_usd):
            self._follower.notify()

    def _read_anew(self) -> None:
        """Read everything at the next poll: what this process has changed itself is not read again otherwise."""
        if self._follower is not None:
            self._follower.reset()

    def _fold(self, *, idle: bool) -> None:
        """Fold what is due: all if idle, else a part between two batches. Raises DatabaseUnavailable."""
        if not idle:
            self._transactions.fold_part()
            return
        while self._transactions.has_left:
            self._transactions.fold_some()

    def _poll(self, *, idle: bool) -> None:
        """Replay the spool if need be, fold what is due, and poll for other processes' changes."""
        follower = self._follower
        if self._failover.state is not State.OK:
            written = self._failover.recover()
            if written is not None:
                self._deliver_results([], written)
            if follower is not None:
                follower.reset()
            return
        try:
            self._fold(idle=idle)
            if follower is not None:
                follower.poll()
        except DatabaseUnavailable as error:
            self._failover.fail_over(error)
