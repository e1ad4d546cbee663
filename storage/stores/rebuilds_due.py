"""Rebuilds that are due, marked in the transaction of the change that made them necessary.

So a process that dies before it has rebuilt leaves a mark that the next one finds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, update

from bandit.types import Epoch
from storage.pending_events import read_pending
from storage.tables import arms, rebuilds_due


@dataclass(frozen=True, slots=True)
class DueRebuild:
    """A router whose half-lives were changed at `since`. `rebuilt`: once, and to be looked at once more."""

    router_id: str
    since: float
    rebuilt: bool


def mark_due(connection: Connection, router_id: str, at: Epoch, *, is_used: bool = False) -> bool:
    """Mark a router's statistics as due for a rebuild, if there are any. Returns whether there are.

    `at` is the present by the database's clock. A router that `is_used` is marked in any case: a process that does not
    know of the change yet may add the first.
    """
    found: bool = connection.execute(select(exists().where(arms.c.router_id == router_id))).scalar_one()
    found = found or bool(read_pending(connection).sums(router_id))
    if not found and not is_used:
        return False
    connection.execute(delete(rebuilds_due).where(rebuilds_due.c.router_id == router_id))
    connection.execute(insert(rebuilds_due).values(router_id=router_id, since=at, rebuilt=False))
    return found


def read_due(connection: Connection, router_id: str | None = None) -> list[DueRebuild]:
    """Read the marks of one router or of all."""
    query = select(rebuilds_due).order_by(rebuilds_due.c.router_id)
    if router_id is not None:
        query = query.where(rebuilds_due.c.router_id == router_id)
    return [DueRebuild(row.router_id, row.since, row.rebuilt) for row in connection.execute(query)]


def note_rebuilt(connection: Connection, due: Iterable[DueRebuild]) -> None:
    """Note that these are rebuilt, but for those that were marked again meanwhile."""
    for mark in due:
        own = (rebuilds_due.c.router_id == mark.router_id) & (rebuilds_due.c.since == mark.since)
        connection.execute(update(rebuilds_due).where(own).values(rebuilt=True))


def remove_due(connection: Connection, mark: DueRebuild) -> None:
    """Remove a mark, unless the router was marked again meanwhile."""
    own = (rebuilds_due.c.router_id == mark.router_id) & (rebuilds_due.c.since == mark.since)
    connection.execute(delete(rebuilds_due).where(own, rebuilds_due.c.rebuilt))
