"""What other processes have changed: the rows as they are now, to be taken in place of what is held in memory.

Every transaction that changes statistics leaves a number in the rows it touched. SQLite's comes from a counter (one
transaction writes at a time, so numbers appear in order), and `PRAGMA data_version` tells for nothing whether anybody
else has written. PostgreSQL's is the transaction's own id: rows are read again from the oldest transaction on that was
still running at the last look, so that none is missed whose commit came late. Values are absolute: what is read twice
does no harm.

To be asked by the thread that writes, between its own transactions: then what is held in memory is always the rows as
they were read plus what this process has committed since.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from bandit.types import BudgetState, StatisticKey, Sums
from storage.database.engine import Database
from storage.database.revisions import Topic
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseUnavailable
from storage.records import KeyRecord, RouterRecord
from storage.stores.arms import read_sums
from storage.stores.evals import EvalRecord, read_evals
from storage.stores.keys import read_keys
from storage.stores.routers import read_routers
from storage.tables import arms, budgets, revisions, traffic


@dataclass(frozen=True, slots=True)
class Changed:
    """What is different now. Routers, keys and scorecards are whole lists, or None where nothing changed in them.

    `spend_usd` is by router and UTC day (days since the epoch), of the ledger's last two days.
    """

    routers: list[RouterRecord] | None = None
    keys: list[KeyRecord] | None = None
    evals: list[EvalRecord] | None = None
    sums: dict[StatisticKey, Sums] = field(default_factory=dict)
    budgets: dict[str, BudgetState] = field(default_factory=dict)
    spend_usd: dict[tuple[str, int], float] = field(default_factory=dict)


class Changes:
    """Looks for changes since the last look; the first look finds everything."""

    def __init__(self, database: Database, watch: Watchdog | None = None) -> None:
        self._database = database
        self._watch = watch
        self._connection: Connection | None = None
        self._version: str | None = None
        self._seen: dict[Topic, int] = {}

    def forget(self) -> None:
        """Find everything again at the next look."""
        self._version = None
        self._seen = {}

    def look(self, version: str) -> Changed | None:
        """What has changed since the last call, or None. `version` is what `WriteConnection.version` returned.

        Raises DatabaseUnavailable.
        """
        if version == self._version:
            return None
        try:
            with self._database.errors_as_ours():
                connection = self._opened()
                with self._watching(connection):
                    # Before the rows: what is committed in between is found now and again next time.
                    now = {Topic(row.topic): row.value for row in connection.execute(select(revisions))}
                    if not self._database.sqlite:
                        now[Topic.STATISTICS] = int(version.partition(":")[0])  # the oldest that still ran
                    changed = self._read(connection, now)
                    connection.rollback()
        except DatabaseUnavailable:
            self.close()
            raise
        self._version, self._seen = version, now
        return None if changed == Changed() else changed

    def close(self) -> None:
        """Give the connection up; the next look opens another."""
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.unpooled.connect()
        return self._connection

    def _watching(self, connection: Connection) -> AbstractContextManager[None]:
        driver: Any = connection.connection.driver_connection
        return contextlib.nullcontext() if self._watch is None else self._watch.over(driver)

    def _read(self, connection: Connection, now: Mapping[Topic, int]) -> Changed:
        since = self._seen.get(Topic.STATISTICS, 0)
        if since > now[Topic.STATISTICS]:  # the database was put back to an older state
            since = 0
        elif self._database.sqlite:
            since += 1  # a number of SQLite's is complete when it is seen
        moved = connection.execute(select(budgets).where(budgets.c.revision >= since))
        latest = select(func.max(traffic.c.day)).scalar_subquery()
        # What is older is nobody's spend of today, and the table grows for ever.
        recent = (traffic.c.day >= latest - 1) & (traffic.c.revision >= since)
        days = select(traffic.c.router_id, traffic.c.day).where(recent).distinct().subquery()
        spent = select(traffic.c.router_id, traffic.c.day, func.sum(traffic.c.cost_usd))
        spent = spent.join(days, (traffic.c.router_id == days.c.router_id) & (traffic.c.day == days.c.day))
        spent = spent.group_by(traffic.c.router_id, traffic.c.day)
        return Changed(
            routers=read_routers(connection) if self._moved(Topic.ROUTERS, now) else None,
            keys=read_keys(connection) if self._moved(Topic.KEYS, now) else None,
            evals=read_evals(connection) if self._moved(Topic.EVALS, now) else None,
            sums=read_sums(connection.execute(select(arms).where(arms.c.revision >= since))),
            budgets={row.router_id: BudgetState(row.multiplier, row.mean_cost_usd) for row in moved},
            spend_usd={(row[0], row[1]): row[2] for row in connection.execute(spent)},
        )

    def _moved(self, topic: Topic, now: Mapping[Topic, int]) -> bool:
        return self._seen.get(topic) != now[topic]
