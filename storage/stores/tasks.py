"""The task names that callers have given a router, with their first and last use: the database decides who gets in."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from storage.database.engine import Database
from storage.database.revisions import Topic, lock_topic, mark_changed
from storage.tables import tasks

LARGEST_COUNT = 64
"""Names that a router has at once."""

UNUSED_SECONDS = 30 * 86_400.0
"""A name that was not used for so long makes room for others."""


class Tasks:
    """Task names by router. The writer notes their use. Every method raises DatabaseUnavailable if need be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, router_ids: Collection[str] | None) -> dict[str, dict[str, float]]:
        """The names of some routers (None: of all), each with its last use, which is exact to an hour."""
        query = select(tasks.c.router_id, tasks.c.task, tasks.c.last_used_at)
        if router_ids is not None:
            query = query.where(tasks.c.router_id.in_(router_ids))
        found: dict[str, dict[str, float]] = defaultdict(dict)
        with self._database.read() as connection:
            for router_id, task, last_used_at in connection.execute(query):
                found[router_id][task] = last_used_at
        return dict(found)

    def admit(self, router_id: str, task: str, at: float) -> dict[str, float]:
        """Let a name in if there is room, and return the router's names as they are then, each with its last use.

        Names that were not used for 30 days before `at` go first. One transaction at a time does so, of all processes.
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
