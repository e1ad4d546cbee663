"""The task names that each router has seen, with their first and last use."""

from dataclasses import dataclass

from sqlalchemy import delete, select

from storage.database.engine import Database
from storage.tables import tasks


@dataclass(frozen=True, slots=True)
class TaskUse:
    """When a router first and last saw a task; the last use is exact to an hour."""

    first_at: float
    last_at: float


class Tasks:
    """Task names by router. The writer adds them with the decisions that name them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, router_id: str) -> dict[str, TaskUse]:
        """The tasks of one router, the longest unused first."""
        query = select(tasks).where(tasks.c.router_id == router_id).order_by(tasks.c.last_used_at, tasks.c.task)
        with self._database.read() as connection:
            return {row.task: TaskUse(row.first_used_at, row.last_used_at) for row in connection.execute(query)}

    def free(self, router_id: str, unused_since: float) -> list[str]:
        """Forget the names of one router not used since then, and return them. Their statistics stay."""
        stale = (tasks.c.router_id == router_id) & (tasks.c.last_used_at < unused_since)
        with self._database.write() as connection:
            return sorted(connection.execute(delete(tasks).where(stale).returning(tasks.c.task)).scalars())
