"""Writes to the database; if that is unavailable, to the spool, which is replayed when the database returns."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from storage.database.engine import Database
from storage.database.probe import Probe
from storage.errors import Contention, DatabaseTimeout, DatabaseUnavailable, LedgerError, RecordRefused, SpoolFull
from storage.records import CompletionRecord
from storage.stores.refused import RefusedRecords
from storage.writing.combined import Combined
from storage.writing.spool import Spool
from storage.writing.transaction import Item, Transactions, Written

log = logging.getLogger(__name__)

CONTENTION_TRIES = 5
SomeItem = TypeVar("SomeItem", bound=Item)

MOST_ITEMS = 100
"""Items of a transaction, until one takes too long: then half as many, and twice as many after each that does not."""

MOST_PATIENCE = 8.0
"""A spooled record alone in its transaction gets 1, 2, 4 and 8 times the watchdog's limit; then it is refused."""


class State(StrEnum):
    """Where records go now."""

    OK = "ok"
    SPOOLING = "spooling"  # the database is unavailable, or the spool is not replayed yet
    FULL = "full"  # no further completion could be recorded: refuse it before a provider is paid


class FailoverWriter:
    """Writes batches, for one thread. `spool` None: nothing is recorded while the database is unavailable."""

    def __init__(self, database: Database, transactions: Transactions, spool: Spool | None) -> None:
        self._database = database
        self._transactions = transactions
        self._spool = spool
        self._probe: Probe | None = None  # runs while the database is unavailable
        self._aside = RefusedRecords(database)
        self._refused: set[str] = set()  # ids in the spool that the database rejects, and can't keep aside either
        self._most = MOST_ITEMS
        self._patience = 1.0
        self.state = State.OK

    @property
    def away(self) -> bool:
        """Whether the database is unavailable."""
        return self._probe is not None

    @property
    def waiting(self) -> int:
        """Completions in the spool, without the rejected ones."""
        return self._spool.count - len(self._refused) if self._spool else 0

    @property
    def spool_problems(self) -> list[str]:
        """What an operator should see to in the spool."""
        problems = self._spool.problems if self._spool else []
        if self._refused:
            problems.append(f"{len(self._refused)} completions of the spool can't be written: see the log")
        return problems

    def write(self, items: Sequence[Item]) -> Written:
        """Write the items in one transaction, or one by one if one of them is rejected. Returns a result for each.

        While the spool is not empty, scores and validity records are refused: they may belong to what is in it.
        """
        if not self.away and not self.waiting:
            return self._write_here(items)
        completions = [item for item in items if isinstance(item, CompletionRecord)]
        written = self._spool_all(completions) if self.away else self._write_here(completions)
        results = iter(written.results)
        refused = DatabaseUnavailable(f"the database {self._database.where} is away: no score can be recorded now")
        written.results = [next(results) if isinstance(item, CompletionRecord) else refused for item in items]
        return written

    def fail_over(self, error: DatabaseUnavailable) -> None:
        """Switch to the spool until the database is available again."""
        if not self.away:
            log.error("%s; completions are spooled until it returns", error)
            self._probe = Probe(self._database)
            self._transactions.close()
        self._update_state()

    def recover(self) -> Written | None:
        """Replay one batch of spooled completions if the database is back."""
        if self._probe is not None and self._probe.returned.is_set():
            self._probe = None
            log.warning("the database %s is back; %d completions wait for it", self._database.where, self.waiting)
        written = self._replay(self._spool) if self._spool and self.waiting and not self.away else None
        self._update_state()
        return written

    def adopt(self) -> bool:
        """Take over the spools of processes that died. Returns whether this is done, or to be tried again."""
        done = True
        if self._spool is not None:
            try:
                done = self._spool.adopt()
            except Exception:  # the thread must outlive every file
                log.exception("spools that were left behind can't be taken over")
            self._update_state()
        return done

    def close(self) -> None:
        """Stop. What is in the spool stays there."""
        if self._probe is not None:
            self._probe.stop()
        if self._spool is not None:
            self._spool.close()
        self._transactions.close()

    def _write_here(self, items: Sequence[Item], *, again: bool = False) -> Written:
        """Write the items, in as many transactions as it takes."""
        if not items:
            return Written([])
        if len(items) <= self._most:
            return self._write_part(items, again=again)
        combined = Combined()
        while items and not self.away:
            part, items = items[: self._most], items[self._most :]
            combined.add(self._write_part(part, again=again))
        if items:
            combined.add(self.write(items))
        return combined.written()

    def _write_part(self, items: Sequence[Item], *, again: bool) -> Written:
        try:
            written = self._try_twice(items, again=again)
        except DatabaseTimeout as error:
            self._most = max(1, len(items) // 2)
            if not again:
                log.warning("a batch of %d is written again, %d at a time: %s", len(items), self._most, error)
                return self._write_here(items, again=True)
            self.fail_over(error)  # callers wait: what is slow is written from the spool
            return self.write(items)
        except DatabaseUnavailable as error:
            self.fail_over(error)
            return self.write(items)
        except Exception as error:  # the thread must outlive every record
            log.warning("a batch of %d is written one by one, because: %r", len(items), error)
            return self._one_by_one(items, self._write_or_keep_aside)
        self._most = min(MOST_ITEMS, 2 * self._most)
        return written

    def _write_or_keep_aside(self, item: Item) -> Written:
        """Write one item. A completion that the database refuses is kept aside: its answer was paid for."""
        try:
            return self._try([item], again=True)
        except (DatabaseUnavailable, Contention):
            raise
        except Exception as error:  # the thread must outlive every record
            if not isinstance(item, CompletionRecord):
                raise
            self._keep_aside(item, _as_ledger_error(error))
            return Written([()])

    def _keep_aside(self, record: CompletionRecord, error: LedgerError) -> None:
        """Store a refused record. Raises DatabaseUnavailable, and `error` if it can't be stored either."""
        try:
            self._aside.put(record, str(error))
        except DatabaseUnavailable:
            raise
        except Exception as second:  # the thread must outlive every record
            log.error("%s can't be kept aside: %r", record.decision.completion_id, second)
            raise error from second
        log.error("%s is kept aside: see `bandit-gateway records`", record.decision.completion_id)

    def _try_twice(self, items: Sequence[Item], *, again: bool) -> Written:
        """Write, with one retry if only the connection may have been lost, or if some items were written before."""
        try:
            return self._try(items, again=again)
        except DatabaseTimeout:
            raise
        except DatabaseUnavailable as error:
            if self._database.sqlite:
                raise
            log.info("a batch of %d is written again on a new connection: %s", len(items), error)
        except RecordRefused as error:
            log.info("a batch of %d is written again without what is written already: %s", len(items), error)
        return self._try(items, again=True)

    def _try(self, items: Sequence[Item], *, again: bool, patience: float = 1.0) -> Written:
        for _ in range(CONTENTION_TRIES - 1):
            try:
                return self._transactions.write(items, again=again, patience=patience)
            except Contention as error:
                log.info("a batch is written again: %s", error)
        return self._transactions.write(items, again=again, patience=patience)

    def _one_by_one(self, items: Sequence[SomeItem], write: Callable[[SomeItem], Written]) -> Written:
        combined = Combined()
        for number, item in enumerate(items):
            try:
                combined.add(write(item))
            except DatabaseUnavailable as error:
                self.fail_over(error)
                combined.add(self.write(items[number:]))
                break
            except Exception as error:  # the thread must outlive every record
                combined.add(Written([_as_ledger_error(error)]))
        return combined.written()

    def _spool_all(self, records: Sequence[CompletionRecord]) -> Written:
        if not records:
            return Written([])
        try:
            return self._spool_some(records)
        except SpoolFull as error:
            log.error("%s", error)
            return Written([error] * len(records))
        except Exception as error:  # the thread must outlive every record
            log.warning("a batch of %d is spooled one by one, because: %r", len(records), error)
        return self._one_by_one(records, lambda record: self._spool_some([record]))

    def _spool_some(self, records: Sequence[CompletionRecord]) -> Written:
        if self._spool is None:
            raise SpoolFull(f"the database {self._database.where} is away, and there is no spool")
        try:
            self._spool.append(records)
        finally:
            self._update_state()
        return Written([()] * len(records))

    def _replay(self, spool: Spool) -> Written | None:
        try:
            records = spool.oldest(self._most, self._refused)
        except DatabaseUnavailable as error:
            log.error("the spool can't be read: %s", error)
            return None
        if not records:
            return None
        try:
            written = self._replay_some(records)
        except DatabaseTimeout as error:
            self._take_longer(records, error)
            self.fail_over(error)
            return None
        except DatabaseUnavailable as error:
            self.fail_over(error)
            return None
        self._most, self._patience = min(MOST_ITEMS, 2 * self._most), 1.0
        try:
            spool.remove(
                [
                    record.decision.completion_id
                    for record in records
                    if record.decision.completion_id not in self._refused
                ]
            )
        except DatabaseUnavailable as error:
            log.error("what was spooled is written now, but stays in the spool, to no harm: %s", error)
        return replace(written, results=[])

    def _take_longer(self, records: Sequence[CompletionRecord], error: DatabaseTimeout) -> None:
        """Replay fewer at once, or one with more patience, so that it ends whatever there is in the spool."""
        if len(records) > 1:
            self._most = max(1, len(records) // 2)
        elif self._patience < MOST_PATIENCE:
            self._patience *= 2.0
        else:
            self._patience = 1.0
            self._refuse(records[0], error)

    def _refuse(self, record: CompletionRecord, error: LedgerError) -> None:
        self._refused.add(record.decision.completion_id)
        log.error("%s stays in the spool, because: %s", record.decision.completion_id, error)

    def _replay_some(self, records: Sequence[CompletionRecord]) -> Written:
        try:
            return self._try(records, again=True, patience=self._patience)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # the thread must outlive every record
            log.warning("%d spooled completions are written one by one, because: %r", len(records), error)
        combined = Combined()
        for record in records:
            try:
                combined.add(self._write_or_keep_aside(record))
            except DatabaseUnavailable:
                raise
            except Exception as error:  # the thread must outlive every record
                self._refuse(record, _as_ledger_error(error))
        return combined.written()

    def _update_state(self) -> None:
        if self.away:
            self.state = State.FULL if self._spool is None or self._spool.full else State.SPOOLING
        else:
            self.state = State.SPOOLING if self.waiting else State.OK


def _as_ledger_error(error: Exception) -> LedgerError:
    """Log why an item could not be written, with a traceback if the error is not ours, and return it as ours."""
    if isinstance(error, LedgerError):
        log.error("a record can't be written: %s", error)
        return error
    log.error("a record can't be written", exc_info=error)
    return RecordRefused(repr(error))
