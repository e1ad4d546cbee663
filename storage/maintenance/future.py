"""Finds and moves back events that are recorded later than the present: a clock was ahead when they happened.

Sums fade to their latest event. So beside one of a year ahead nothing that is learned counts before that year is over,
and `rebuild` comes to the same: it is what the ledger says.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, union, update

from bandit.types import Epoch
from storage.calendar import MINUTE, day_of
from storage.database.engine import Database
from storage.deltas import moved_back
from storage.pending_events import fold_pending
from storage.stores.rebuilds_due import mark_due
from storage.tables import (
    activity,
    arms,
    attempts,
    checkpoints,
    choices,
    decisions,
    feedback,
    fixed_sums,
    key_usage,
    tasks,
)

LATER_SECONDS = 60.0
"""What is less later than the present comes to pass soon enough."""

LONGEST_REQUEST_SECONDS = 3_600.0

MOVED_AT_ONCE = 500


class FutureEvents:
    """Events later than the present by the database's clock. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self) -> Epoch | None:
        """When the latest of them happened, to the minute; None if there are none."""
        latest = select(func.max(activity.c.start)).where(activity.c.width == MINUTE)
        with self._database.read() as connection:
            found: int | None = connection.execute(latest).scalar()
        now = self._database.clock.now()
        return None if found is None or found <= now + LATER_SECONDS else Epoch(float(found))

    def move_back(self) -> int:
        """Move them to the present, in transactions of 500 requests, and mark their routers' rebuilds as due.

        Returns the number of requests. Rebuild everything then: what is counted by minute, hour and day is not moved.
        """
        with self._database.write() as connection:  # or they would be added to cells of the future later
            fold_pending(connection)
        with self._database.read() as connection:
            known = union(select(activity.c.router_id), select(arms.c.router_id))
            router_ids = connection.execute(known.order_by("router_id")).scalars().all()
        moved = 0
        for router_id in router_ids:
            while count := self._move_requests(router_id):
                moved += count
        with self._database.write() as connection:
            self._move_others(connection)
        return moved

    def _move_requests(self, router_id: str) -> int:
        with self._database.write() as connection:
            now = self._now(connection)
            own = (decisions.c.router_id == router_id) & (decisions.c.at > now - LONGEST_REQUEST_SECONDS)
            found = select(decisions.c.completion_id, decisions.c.at, decisions.c.ended_at, decisions.c.learned)
            found = found.where(own, decisions.c.ended_at > now + LATER_SECONDS).order_by(decisions.c.completion_id)
            rows = connection.execute(found.limit(MOVED_AT_ONCE).with_for_update()).all()
            if rows:
                mark_due(connection, router_id, now, is_used=True)
                connection.execute(_MOVED_DECISION, list(_moved(rows, now)))
                shifts = [{"own": row.completion_id, "ahead": row.ended_at - now} for row in rows]
                connection.execute(_MOVED_ATTEMPTS, shifts)
        return len(rows)

    def _move_others(self, connection: Connection) -> None:
        now = self._now(connection)
        later = now + LATER_SECONDS
        faded = connection.execute(select(checkpoints.c.router_id).where(checkpoints.c.at > later).distinct()).scalars()
        for router_id in faded.all():
            mark_due(connection, router_id, now, is_used=True)
        for at in (feedback.c.at, choices.c.at, checkpoints.c.at, tasks.c.last_used_at, tasks.c.first_used_at):
            connection.execute(update(at.table).where(at > later).values({at: now}))
        for start, last in ((activity.c.start, now), (key_usage.c.start, now), (fixed_sums.c.day, day_of(now))):
            connection.execute(delete(start.table).where(start > last))

    def _now(self, connection: Connection) -> Epoch:
        self._database.clock.read(connection)
        return self._database.clock.now()


_OWN: BindParameter[str] = bindparam("own")
_MOVED_DECISION = (
    update(decisions)
    .where(decisions.c.completion_id == _OWN)
    .values(at=bindparam("moved_at"), ended_at=bindparam("moved_end"), learned=bindparam("moved_deltas"))
)
_MOVED_ATTEMPTS = (
    update(attempts)
    .where(attempts.c.completion_id == _OWN)
    .values(started_at=attempts.c.started_at - bindparam("ahead"))
)


def _moved(rows: Iterable[Any], now: Epoch) -> Iterable[dict[str, object]]:
    for row in rows:
        yield {
            "own": row.completion_id,
            "moved_at": row.at - (row.ended_at - now),
            "moved_end": now,
            "moved_deltas": moved_back(row.learned, now),
        }
