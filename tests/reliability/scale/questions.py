"""Queries of a large ledger, and how long each takes from the disk and from memory."""

import os
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bandit.types import Epoch
from gateway.analyst.log import RouterLog
from gateway.maintenance.rebuild import retention_of
from storage.calendar import DAY as DAY_SECONDS
from storage.database.engine import Database, open_database
from storage.replication.changes import Changes
from storage.stores.arms import Arms
from storage.stores.first_draws import FirstDraws
from storage.stores.ledger import Ledger
from storage.writing.transaction import Transactions
from tests.reliability.scale.fill import Span
from tests.reliability.scale.requests import ROUTERS
from tests.support.processes import RunFailed
from tests.support.records import learn_scores, pace

LIMIT_MS = 100.0
TIMES = 15
EVALUATED = 20_000
"""Decisions that one evaluation reads in a serving gateway."""

_MANY = re.compile(r"\(([^\s,()]+)(?:, [^\s,()]+){3,}\)")

Question = Callable[[Database], object]


@dataclass(slots=True)
class Answered:
    """Milliseconds of one question: with nothing in memory, then median and maximum of several repetitions."""

    name: str
    cold_ms: float
    median_ms: float
    longest_ms: float
    limit_ms: float
    plans: list[str] = field(default_factory=list)  # where it is slower than the limit


class Questions:
    """All questions about a ledger that `fill` has filled; each repetition asks about another router or instant."""

    def __init__(self, span: Span, seed: int) -> None:
        self._span = span
        self._chance = random.Random(seed)

    def admin(self) -> dict[str, Question]:
        """The questions that must each be answered within the limit."""
        day = self._span.end - self._span.end % DAY_SECONDS
        return {
            "decisions, first page": lambda it: Ledger(it).decisions(self._router()),
            "decisions, first page of the largest router": lambda it: Ledger(it).decisions("rtr_large"),
            "decisions, 200 from far back": lambda it: Ledger(it).decisions(self._router(), self._cursor(), 200),
            "one decision": self._decision,
            "one decision's content": lambda it: Ledger(it).content(self._id()),
            "a decision that is not there": lambda it: Ledger(it).decision("req_" + "f" * 32),
            "traffic of 24 hours": lambda it: Ledger(it).traffic(self._router(), Epoch(day - DAY_SECONDS)),
            "traffic of 90 days": lambda it: Ledger(it).traffic("rtr_large", Epoch(self._span.start)),
            "statistics of a router": lambda it: Arms(it).sums(self._router()),
            "statistics of all routers": lambda it: Arms(it).sums(),
            "what others have changed": self._look,
            "retention, one transaction of 200": self._delete,
        }

    def long(self) -> dict[str, Question]:
        """The questions that may take longer."""
        return {
            f"evaluation's read of {EVALUATED:,} of 7 days": lambda it: RouterLog(
                FirstDraws(it), "rtr_large", 7.0, EVALUATED
            ).read(Epoch(self._span.end))
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
            raise RunFailed(f"{completion_id} is not in the ledger, or lacks its choice")
        return view

    def _look(self, database: Database) -> object:
        batches, changes = Transactions(database, learn_scores, pace), Changes(database)
        try:
            return changes.poll(batches.version())
        finally:
            changes.close()
            batches.close()

    def _delete(self, database: Database) -> int:
        before = Epoch(self._span.start + 45 * DAY_SECONDS)
        return retention_of(database).delete_some("rtr_large", before)


def answer(
    url: str, name: str, question: Question, forget: Callable[[], None], times: int, limit_ms: float = LIMIT_MS
) -> Answered:
    """Ask once with nothing in memory, then `times` more; with the query plans if that takes longer than the limit."""
    forget()
    database = open_database(url, migrate=False)
    try:
        cold = _milliseconds(question, database)
        warm = sorted(_milliseconds(question, database) for _ in range(times))
        median = statistics.median(warm) if warm else cold
        slow = max(cold, median) > limit_ms
        plans = _plans(question, database) if slow else []
        return Answered(name, cold, median, warm[-1] if warm else cold, limit_ms, plans)
    finally:
        database.close()


def forget_files(paths: Iterable[Path]) -> None:
    """Drop these files from the page cache."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _milliseconds(question: Question, database: Database) -> float:
    before = time.perf_counter()
    question(database)
    return (time.perf_counter() - before) * 1e3


def _plans(question: Question, database: Database) -> list[str]:
    """The query plan of each of the question's statements."""
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
