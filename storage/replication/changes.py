"""Changes by other processes, found in time that grows with what has changed and not with what there is.

Of routers, keys, scorecards and tasks a poll returns the ids that changed: `storage.database.revisions` counts the
changes and records their subjects. Of statistics, budgets and activity it returns the rows as they are now, which
replace those in memory; values are absolute, so reading a row twice is harmless.

Every transaction that changes statistics sets its number in the rows that it changes (`storage.database.numbers`).
SQLite's numbers appear in order, and `PRAGMA data_version` tells at no cost whether another connection has written.
PostgreSQL's may not: rows are read again from the lowest number on whose transaction was still running at the last
poll, so that none is missed that commits late. Rows that change during a poll are read as they are then, and again at
the next: without them a router whose number has just moved on would hide what had changed before.

Poll in the thread that writes, between its transactions: then memory always equals the rows as they were read plus what
this process has committed since.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from bandit.statistics import StatisticKey, Sums
from bandit.types import BudgetState
from storage.calendar import DAY, day_of
from storage.database.bulk import as_listed
from storage.database.engine import Database
from storage.database.numbers import Numbers, read_numbers
from storage.database.revisions import Topic
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseUnavailable
from storage.key_usage import Cell, Usage
from storage.replication.queries import Paged, queries_for
from storage.stores.arms import read_sums
from storage.stores.identity import Identity, identity_in
from storage.stores.key_usage import read_cell, times_of_usage
from storage.tables import changes, revisions

log = logging.getLogger(__name__)

Position: TypeAlias = Mapping[Topic, int]
"""The revision of each topic up to which a process has read."""

Subjects: TypeAlias = frozenset[str] | None
"""The ids that changed; None: any id of the topic may have."""

PAGE_ROWS = 2_000

_FEW_ROUTERS = 500
"""A query names up to this many routers; for more it reads the statistics of all."""

_NAMED = (Topic.ROUTERS, Topic.KEYS, Topic.EVALS, Topic.TASKS, Topic.RESUMPTIONS)
"""Topics whose changes are recorded with their subjects."""


_REVISIONS = select(revisions)

_NUMBERLESS = {Topic.TASKS}
"""Topics whose changes need no numbers to be read: of a busy process that learns call sites, each second."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes since the last poll. `subjects` has the topics in which something changed.

    `everything`: these are all statistics that there are, because nothing was known, or the ledger was restored.
    `folded`: the parts of which the database's sums have what this process had left to a fold.
    `spend_usd` is by router and UTC day (days since the epoch), from yesterday on; `judging_usd` by purpose, too.
    `usage` is that of keys with limits: recent minutes and days; of keys that are new or changed all days of the month.
    """

    subjects: Mapping[Topic, Subjects] = field(default_factory=dict)
    sums: Mapping[StatisticKey, Sums] = field(default_factory=dict)
    budgets: Mapping[str, BudgetState] = field(default_factory=dict)
    spend_usd: Mapping[tuple[str, int], float] = field(default_factory=dict)
    usage: Mapping[Cell, Usage] = field(default_factory=dict)
    judging_usd: Mapping[tuple[str, str, int], float] = field(default_factory=dict)
    everything: bool = False
    folded: frozenset[int] = frozenset()


def _has_no_numbers(changed: Changed) -> bool:
    return changed == Changed(changed.subjects) and set(changed.subjects) <= _NUMBERLESS


def united(one: Subjects, other: Subjects) -> Subjects:
    """Unite two sets of changed ids."""
    return None if one is None or other is None else one | other


def read_everything(database: Database) -> tuple[Changed, Position]:
    """Read all statistics, budgets and spend, and the position from which to poll for changes.

    Raises DatabaseUnavailable.
    """
    changes = Changes(database)
    try:
        return changes.poll("") or Changed(), changes.position
    finally:
        changes.close()


class NotFolded(Exception):
    """What was read lacks what this process has left to a fold."""


class Changes:
    """Polls for changes since the last poll, or since `position`; without one the first poll returns everything."""

    def __init__(self, database: Database, watchdog: Watchdog | None = None, position: Position | None = None) -> None:
        self._database = database
        self._queries = queries_for(database.engine.dialect.name)
        self._watchdog = watchdog
        self._connection: Connection | None = None
        self._version: str | None = None
        self._identity: Identity | None = None
        self.position: Position = position or {}

    def forget(self) -> None:
        """Return everything at the next poll."""
        self._version = None
        self.position = {}

    def is_known(self, version: str | None) -> bool:
        """Test whether nothing has been committed since the last poll."""
        return version is not None and version == self._version

    def poll(
        self, version: str | None, patience: float = 1.0, own_numbers: int = 0, *, is_folded: bool = True
    ) -> Changed | None:
        """Return the changes since the last poll, or None. `version` is the result of `WriteConnection.version`.

        `patience` multiplies the watchdog's limit. `own_numbers` were drawn since the last poll by transactions that
        changed only what is known: if there are no others, no statistics are read, only usage of keys with limits.
        Not `is_folded`: some of what this process knows is pending, and is not in what would be read. Raises NotFolded
        then, if anything has changed but names of tasks, and DatabaseUnavailable.
        """
        if self.is_known(version):
            return None
        try:
            with self._database.errors_as_ours():
                connection = self._opened()
            with self._watching(connection, patience), self._database.errors_as_ours():
                # Before the rows: what is committed in between is then read now and again at the next poll.
                identity, numbers = identity_in(connection), read_numbers(connection)
                now = self._position(connection, numbers)
                if self._was_restored(identity, now):
                    self.position = {}
                    now = self._position(connection, numbers)
                is_own = self._statistics_since(numbers.last) == numbers.last - own_numbers
                changed = None  # the statistics would be read in vain
                if is_own or is_folded:
                    changed = replace(self._read(connection, now, numbers.last, is_own), everything=not self.position)
                connection.rollback()
                if changed is None or not (is_folded or _has_no_numbers(changed)):
                    raise NotFolded
        except DatabaseUnavailable:
            self.close()
            raise
        self._version, self.position, self._identity = version, now, identity
        return None if changed == Changed() else changed

    def close(self) -> None:
        """Close the connection; the next poll opens another."""
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _was_restored(self, identity: Identity, now: Position) -> bool:
        """Test whether the ledger is another one than at the last poll, or an older state of it."""
        restored = self._identity not in {None, identity}
        restored |= any(seen > now[topic] for topic, seen in self.position.items())
        if restored:
            log.warning(
                "the ledger was restored, or choices were erased (epoch %d): everything is read anew", identity.epoch
            )
        return restored

    def _opened(self) -> Connection:
        if self._connection is None:
            connection = self._database.unpooled.connect()
            if not self._database.sqlite:  # a server's default may be stricter, and show each poll its first state
                connection = connection.execution_options(isolation_level="READ COMMITTED")
            self._connection = connection
        return self._connection

    def _watching(self, connection: Connection, patience: float) -> AbstractContextManager[None]:
        driver: Any = connection.connection.driver_connection
        return contextlib.nullcontext() if self._watchdog is None else self._watchdog.over(driver, patience)

    def _position(self, connection: Connection, numbers: Numbers) -> Position:
        counted = {row.topic: row.value for row in connection.execute(_REVISIONS)}
        seen = self.position.get(Topic.STATISTICS, 0)
        # A transaction may lock a number that was complete already: its own is higher.
        complete = max(seen, numbers.complete) if seen <= numbers.last else numbers.complete
        return {topic: counted[topic.value] for topic in Topic} | {Topic.STATISTICS: complete}

    def _read(self, connection: Connection, now: Position, last: int, is_own: bool) -> Changed:
        since = self._statistics_since(last)
        subjects = {
            topic: self._subjects(connection, topic, now) for topic in _NAMED if self.position.get(topic) != now[topic]
        }
        present = self._database.clock.now()
        today = day_of(present)
        given: dict[str, Any] = {
            "first": (since or 0) + 1,
            "first_day": today - 1,
            "last_day": today + 1,
            **times_of_usage(present),
        }
        # Own usage, too: what a key used before this process knew of its limits is not held.
        usage = self._usage(connection, subjects.get(Topic.KEYS, frozenset()), since, last, given)
        queries = self._queries.all
        if since is not None:
            routers: Sequence[str] = ()
            if since < last and not is_own:
                routers = connection.execute(self._queries.changed_routers, given).scalars().all()
            if not routers:
                return Changed(subjects, usage=usage)
            queries = self._queries.few if len(routers) <= _FEW_ROUTERS else self._queries.many
            given["listed"] = as_listed(routers)
        return Changed(
            subjects=subjects,
            sums=read_sums(self._pages(connection, queries.sums, given)),
            budgets={
                row.router_id: BudgetState(row.multiplier, row.mean_cost_usd)
                for row in self._pages(connection, queries.budgets, given)
            },
            spend_usd={(row[0], row[1] // DAY): row[2] for row in connection.execute(queries.spent, given)},
            usage=usage,
            judging_usd={(row[0], row[1], row[2]): row[3] for row in connection.execute(queries.judged, given)},
        )

    def _usage(
        self, connection: Connection, changed_keys: Subjects, since: int | None, last: int, given: dict[str, Any]
    ) -> Mapping[Cell, Usage]:
        if since is not None and since >= last and changed_keys == frozenset():
            return {}
        if since is None or changed_keys is None:
            return dict(map(read_cell, self._pages(connection, self._queries.usage, given)))
        usage = dict(map(read_cell, self._pages(connection, self._queries.changed_usage, given)))
        if changed_keys:
            keys = {**given, "listed": as_listed(changed_keys)}
            usage |= map(read_cell, self._pages(connection, self._queries.usage_of_keys, keys))
        return usage

    def _pages(self, connection: Connection, query: Paged, given: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the rows, page by page: each is progress to the watchdog."""
        page = query.first
        while True:
            rows = connection.execute(page, {**given, "rows": PAGE_ROWS}).all()
            if self._watchdog is not None:
                self._watchdog.progress()
            yield from rows
            if len(rows) < PAGE_ROWS:
                return
            page = query.after(rows[-1])

    def _statistics_since(self, last: int) -> int | None:
        """The number up to which all statistics have been read; None: read all of them."""
        seen = self.position.get(Topic.STATISTICS)
        return None if seen is None or seen > last else seen  # more than the last: an older state was restored

    def _subjects(self, connection: Connection, topic: Topic, now: Position) -> Subjects:
        seen = self.position.get(topic)
        if seen is None or seen > now[topic]:
            return None
        since = (changes.c.topic == topic.value) & (changes.c.revision > seen) & (changes.c.revision <= now[topic])
        subjects = connection.execute(select(changes.c.subject).where(since)).scalars().all()
        # Fewer subjects than changes: old ones are deleted, and a process of an older version records none.
        return frozenset(subjects) if len(subjects) == now[topic] - seen else None
