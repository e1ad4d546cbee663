"""Counts the changes of each topic, and keeps which router, key, scorecard or model each of them was about.

A process that has seen revision 17 of the routers reads what revisions 18 and later changed, and nothing else. A
topic's row in `revisions` stays locked until the commit, so revisions appear in their order and none comes late.
"""

from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Update, delete, func, insert, literal_column, select, update

from storage.tables import changes, revisions

CHANNEL = "bandit_gateway"
"""The channel on which PostgreSQL notifies of changes."""

KEPT_CHANGES = 10_000
"""Of each topic. A process that is further behind reads the topic anew."""


class Topic(StrEnum):
    """What other processes hold a copy of. The values are the rows of `revisions`."""

    ROUTERS = "routers"
    KEYS = "keys"
    EVALS = "evals"
    RESUMPTIONS = "resumptions"  # of models, by an operator: an event, of which no copy is held
    TASKS = "tasks"
    STATISTICS = "statistics"  # arms, budgets, traffic; not counted on PostgreSQL, see `storage.replication.changes`


def mark_changed(connection: Connection, topic: Topic, subject: str) -> None:
    """Count a change of a router, key, scorecard, model or a router's tasks by its id; notify the other processes."""
    revision: int = connection.execute(count_change(topic).returning(revisions.c.value)).scalar_one()
    connection.execute(insert(changes).values(topic=topic.value, revision=revision, subject=subject))
    old = (changes.c.topic == topic.value) & (changes.c.revision <= revision - KEPT_CHANGES)
    connection.execute(delete(changes).where(old))
    _notify(connection, topic)


def lock_topic(connection: Connection, topic: Topic) -> None:
    """Let nobody else change the topic until the commit. On SQLite every writing transaction is alone already."""
    connection.execute(select(revisions.c.value).where(revisions.c.topic == topic.value).with_for_update())


def mark_statistics_changed(connection: Connection) -> None:
    """Count a change of statistics that the writer does not make, and notify the other processes."""
    connection.execute(count_change(Topic.STATISTICS))
    _notify(connection, Topic.STATISTICS)


def count_change(topic: Topic) -> Update:
    """The statement that counts a change of `topic`, without parameters."""
    named: ColumnElement[str] = literal_column(f"'{topic.value}'")
    return update(revisions).where(revisions.c.topic == named).values(value=revisions.c.value + literal_column("1"))


def _notify(connection: Connection, topic: Topic) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, topic.value)))
