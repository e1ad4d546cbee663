"""Classes of a router's requests beside the built-in ones, up to 64: tasks that callers state, and call sites."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from storage.database.engine import Database
from storage.database.revisions import Topic, lock_topic, mark_changed
from storage.records import AuditRecord
from storage.stores.audit import record_change
from storage.tables import tasks

LARGEST_COUNT = 64
"""Classes per router."""

UNUSED_SECONDS = 30 * 86_400.0
"""A class that was not used for this long may be replaced."""

IDLE_SECONDS = 86_400.0
"""A call site that was not used for this long makes room for a task that a caller states, if there is no other room."""


class TaskRow(NamedTuple):
    """A class as it is stored: its last use, exact to an hour, and of a call site its name and its built-in class."""

    last_used_at: float
    name: str | None = None
    built_in: str | None = None


class NewTask(NamedTuple):
    """A class that wants a place at the instant `at`: a task that is stated, or a call site with its name and class."""

    router_id: str
    task: str
    at: float
    name: str | None = None
    built_in: str | None = None


class NameTaken(ValueError):
    """Another class of the router has this name."""


class Tasks:
    """Classes by router; the writer updates their last use. Every method raises DatabaseUnavailable if need be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, router_ids: Collection[str] | None) -> dict[str, dict[str, TaskRow]]:
        """Read the classes of some routers (None: of all)."""
        with self._database.read() as connection:
            return dict(_rows(connection, router_ids))

    def admit(self, wanted: Sequence[NewTask]) -> dict[str, dict[str, TaskRow]]:
        """Insert the classes for which there is room, in order, and return the classes of their routers after that.

        Classes that were not used in the 30 days before are deleted to make room; for a task that is stated also the
        call site that was not used for the longest time, if that is a day. A call site's name is numbered if another
        class has it. Processes take turns.
        """
        with self._database.write() as connection:
            lock_topic(connection, Topic.TASKS)
            found = _rows(connection, {new.router_id for new in wanted})
            added = [new for new in wanted if _make_room(connection, found[new.router_id], new)]
            if added:
                rows = [new._asdict() | found[new.router_id][new.task]._asdict() for new in added]
                connection.execute(insert(tasks).values(first_used_at=bindparam("at")), rows)
                mark_changed(connection, Topic.TASKS, *sorted({new.router_id for new in added}))
        return {new.router_id: found[new.router_id] for new in wanted}

    def rename(self, router_id: str, task: str, name: str, change: AuditRecord) -> bool:
        """Give a call site another name; False if there is no such call site. Raises NameTaken."""
        with self._database.write() as connection:
            lock_topic(connection, Topic.TASKS)
            rows = _rows(connection, (router_id,))[router_id]
            if task not in rows or rows[task].built_in is None:
                return False
            if name in _names({other: row for other, row in rows.items() if other != task}):
                raise NameTaken(name)
            connection.execute(
                update(tasks).where(tasks.c.router_id == router_id, tasks.c.task == task).values(name=name)
            )
            record_change(connection, change)
            mark_changed(connection, Topic.TASKS, router_id)
            return True


def is_idle(row: TaskRow, at: float) -> bool:
    """Whether a class is a call site that makes room for a task that is stated."""
    return row.built_in is not None and row.last_used_at < at - IDLE_SECONDS


def _make_room(connection: Connection, rows: dict[str, TaskRow], new: NewTask) -> bool:
    """Add a class to its router's `rows` if there is room, and delete those that made it. Returns whether it is new."""
    if new.task in rows:
        return False
    unused = {other for other, row in rows.items() if row.last_used_at < new.at - UNUSED_SECONDS}
    if len(rows) - len(unused) >= LARGEST_COUNT:
        idle = min(rows, key=lambda other: (rows[other].built_in is None, rows[other].last_used_at, other))
        if new.name is not None or not is_idle(rows[idle], new.at):
            return False
        unused.add(idle)
    if unused:
        own = tasks.c.router_id == new.router_id
        connection.execute(delete(tasks).where(own, tasks.c.task.in_(unused)))
        for other in unused:
            del rows[other]
    rows[new.task] = TaskRow(new.at, None if new.name is None else _free_name(new.name, rows), new.built_in)
    return True


def _rows(connection: Connection, router_ids: Collection[str] | None) -> defaultdict[str, dict[str, TaskRow]]:
    query = select(tasks.c.router_id, tasks.c.task, tasks.c.last_used_at, tasks.c.name, tasks.c.built_in)
    if router_ids is not None:
        query = query.where(tasks.c.router_id.in_(router_ids))
    found: defaultdict[str, dict[str, TaskRow]] = defaultdict(dict)
    for router_id, task, *values in connection.execute(query):
        found[router_id][task] = TaskRow(*values)
    return found


def _names(rows: dict[str, TaskRow]) -> set[str]:
    """What the classes are called: call sites by their names, stated tasks by themselves."""
    return {row.name or task for task, row in rows.items()}


def _free_name(name: str, rows: dict[str, TaskRow]) -> str:
    taken = _names(rows)
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
