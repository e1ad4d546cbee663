"""What is asked of a large ledger, and how long each answer takes, from the disk and from memory."""

import os
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bandit.types import Epoch
from benchmarks.ledger.audit import half_life, learn
from benchmarks.ledger.filling import DAY_SECONDS, ROUTERS, Span
from benchmarks.load.servers import BenchmarkFailed
from gateway.reports.evaluation import views_since
from storage.database.engine import Database, open_database
from storage.maintenance.retention import Retention
from storage.replication.changes import Changes
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.writing.transaction import Transactions

LIMIT_MS = 100.0
TIMES = 15
EVALUATED = 20_000
"""Decisions that an evaluation is given here; it reads up to 100,000, and takes as many times as long."""

_MANY = re.compile(r"\(([^\s,()]+)(?:, [^\s,()]+){3,}\)")

Question = Callable[[Database], object]


@dataclass(slots=True)
class Answered:
    """One question: milliseconds with nothing in memory, and the median and the longest of several after that."""

    name: str
    cold_ms: float
    median_ms: float
    longest_ms: float
    plans: list[str] = field(default_factory=list)  # where it is slower than the limit


class Questions:
    """All that is asked about a ledger that `filling` has filled, each time about other routers and instants."""

    def __init__(self, span: Span, seed: int) -> None:
        self._span = span
        self._chance = random.Random(seed)

    def admin(self) -> dict[str, Question]:
        """Those of which each must be answered within the limit."""
        day = self._span.end - self._span.end % DAY_SECONDS
        return {
            "decisions, first page": lambda it: Ledger(it).decisions(self._router()),
            "decisions, first page of the largest router": lambda it: Ledger(it).decisions("rtr_large"),
            "decisions, 200 from far back": lambda it: Ledger(it).decisions(self._router(), self._cursor(), 200),
            "one decision": self._decision,
            "one decision's content": lambda it: Ledger(it).content(self._id()),
            "a decision that is not there": lambda it: Ledger(it).decision("req_" + "f" * 32),
            "spend of the day": lambda it: Ledger(it).spend_today(self._router(), Epoch(self._at())),
            "traffic of 24 hours": lambda it: Ledger(it).traffic(self._router(), Epoch(day - DAY_SECONDS)),
            "traffic of 90 days": lambda it: Ledger(it).traffic("rtr_large", Epoch(self._span.start)),
            "statistics of a router": lambda it: Arms(it).sums(self._router()),
            "statistics of all routers": lambda it: Arms(it).sums(),
            "what others have changed": self._look,
            "retention, one transaction of 200": self._delete,
        }

    def long(self) -> dict[str, Question]:
        """Those that may take longer."""
        week = Epoch(self._span.end - 7 * DAY_SECONDS)
        return {
            f"evaluation's read of {EVALUATED:,} of 7 days": lambda it: _drain(
                islice(views_since(Ledger(it), "rtr_large", week), EVALUATED)
            )
        }

    def _router(self) -> str:
        return self._chance.choice(list(ROUTERS))

    def _at(self) -> float:
        return self._chance.uniform(self._span.start, self._span.end)

    def _cursor(self) -> str:
        return f"{self._at()!r}~req_{'f' * 32}"

    def _id(self) -> str:
        return self._span.id_of(self._chance.randrange(self._span.count))

    def _decision(self, database: Database) -> object:
        completion_id = self._id()
        view = Ledger(database).decision(completion_id)
        if view is None or not view.decision.choice:
            raise BenchmarkFailed(f"{completion_id} is not in the ledger, or lacks its choice")
        return view

    def _look(self, database: Database) -> object:
        batches, changes = Transactions(database, learn, lambda router_id, state, cost_usd: None), Changes(database)
        try:
            return changes.look(batches.version())
        finally:
            changes.close()
            batches.close()

    def _delete(self, database: Database) -> int:
        before = Epoch(self._span.start + 45 * DAY_SECONDS)
        return Retention(database, learn, half_life).delete_some("rtr_large", before)


def answer(
    url: str, name: str, question: Question, forget: Callable[[], None], times: int, limit_ms: float = LIMIT_MS
) -> Answered:
    """Ask once with nothing in memory, then several times. The plans are told where it takes longer than the limit."""
    forget()
    database = open_database(url, migrate=False)
    try:
        cold = _milliseconds(question, database)
        warm = sorted(_milliseconds(question, database) for _ in range(times))
        median = statistics.median(warm) if warm else cold
        slow = max(cold, median) > limit_ms
        return Answered(name, cold, median, warm[-1] if warm else cold, _plans(question, database) if slow else [])
    finally:
        database.close()


def forget_files(paths: Iterable[Path]) -> None:
    """Let the system drop what it holds of these files in memory."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _milliseconds(question: Question, database: Database) -> float:
    before = time.perf_counter()
    question(database)
    return (time.perf_counter() - before) * 1e3


def _plans(question: Question, database: Database) -> list[str]:
    """How the database carries out each statement of the question."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, ___: object, ____: bool) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    question(database)
    event.remove(database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if database.sqlite else "EXPLAIN "
    plans: list[str] = []
    with database.read() as connection:
        for statement, parameters in asked[:6]:
            rows: Sequence[Any] = connection.exec_driver_sql(explain + statement, parameters).all()
            plans.append(_MANY.sub(r"(\1, …)", statement) + "".join(f"\n    {str(row[-1])[:160]}" for row in rows))
    return plans


def _drain(rows: Iterable[object]) -> int:
    return sum(1 for _ in rows)
