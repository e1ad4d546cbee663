"""Task names stated by callers, up to 64 per router, with their first and last use."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from storage.database.engine import Database
from storage.database.revisions import Topic, lock_topic, mark_changed
from storage.tables import tasks

LARGEST_COUNT = 64
"""Names per router."""

UNUSED_SECONDS = 30 * 86_400.0
"""A name that was not used for this long may be replaced."""


class Tasks:
    """Task names by router; the writer updates their last use. Every method raises DatabaseUnavailable if need be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, router_ids: Collection[str] | None) -> dict[str, dict[str, float]]:
        """Read the names of some routers (None: of all), each with its last use, which is exact to an hour."""
        query = select(tasks.c.router_id, tasks.c.task, tasks.c.last_used_at)
        if router_ids is not None:
            query = query.where(tasks.c.router_id.in_(router_ids))
        found: dict[str, dict[str, float]] = defaultdict(dict)
        with self._database.read() as connection:
            for router_id, task, last_used_at in connection.execute(query):
                found[router_id][task] = last_used_at
        return dict(found)

    def admit(self, router_id: str, task: str, at: float) -> dict[str, float]:
        """Insert a name if there is room, and return the router's names after that, each with its last use.

        Names that were not used in the 30 days before `at` are deleted to make room. Processes take turns.
        """
        own = tasks.c.router_id == router_id
        with self._database.write() as connection:
            lock_topic(connection, Topic.TASKS)
            names = _names(connection, router_id)
            unused = {name for name, last_used_at in names.items() if last_used_at < at - UNUSED_SECONDS}
            unused.discard(task)
            if task in names or len(names) - len(unused) >= LARGEST_COUNT:
                return names
            connection.execute(delete(tasks).where(own, tasks.c.task.in_(unused)))
            row = {"router_id": router_id, "task": task, "first_used_at": at, "last_used_at": at}
            connection.execute(insert(tasks), row)
            mark_changed(connection, Topic.TASKS, router_id)
            return _names(connection, router_id)


def _names(connection: Connection, router_id: str) -> dict[str, float]:
    query = select(tasks.c.task, tasks.c.last_used_at).where(tasks.c.router_id == router_id)
    return {row.task: row.last_used_at for row in connection.execute(query)}
