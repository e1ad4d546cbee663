"""Raises the counter of a topic that a transaction changes, and says so, that other processes look again."""

from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Update, func, literal_column, select, update

from storage.tables import revisions

CHANNEL = "bandit_gateway"
"""Where PostgreSQL announces changes."""


class Topic(StrEnum):
    """What other processes hold a copy of. The values are the rows of `revisions`."""

    ROUTERS = "routers"
    KEYS = "keys"
    EVALS = "evals"
    STATISTICS = "statistics"  # arms, budgets, traffic; not counted on PostgreSQL, see `changes`


def mark_changed(connection: Connection, topic: Topic) -> None:
    """Count a change of `topic`. The row stays locked until the commit, so no reader can miss a number."""
    connection.execute(count_change(topic))
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, topic.value)))


def count_change(topic: Topic) -> Update:
    """The statement that counts a change of `topic`, without parameters."""
    named: ColumnElement[str] = literal_column(f"'{topic.value}'")
    return update(revisions).where(revisions.c.topic == named).values(value=revisions.c.value + literal_column("1"))
