"""Counts the changes of each topic, and records the subject of each: the id of a router, key, scorecard or model.

A process that has seen revision 17 of the routers reads what revisions 18 and later changed, and nothing else. A
topic's row in `revisions` stays locked until the commit, so revisions appear in their order and none comes late.
"""

from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Update, delete, func, insert, literal_column, select, text, update

from storage.tables import changes, revisions

CHANNEL = "bandit_gateway"
"""The channel on which PostgreSQL notifies of changes."""

KEPT_CHANGES = 10_000
"""Changes recorded per topic. A process that is further behind reads the whole topic again."""


FORGOTTEN_AT_ONCE = 100
"""Older ones are deleted this many at a time, which spares each change a statement."""

_MARK = text(
    "WITH counted AS (UPDATE revisions SET value = value + 1 WHERE topic = :topic RETURNING topic, value), "
    "named AS (INSERT INTO changes (topic, revision, subject) SELECT topic, value, :subject FROM counted) "
    "SELECT value, pg_notify(:channel, topic) FROM counted"
)
"""Counts, names and notifies of a change in one round trip."""


class Topic(StrEnum):
    """What every process holds a copy of. The values are the rows of `revisions`."""

    ROUTERS = "routers"
    KEYS = "keys"
    EVALS = "evals"
    RESUMPTIONS = "resumptions"  # of models, by an operator: an event, without a copy
    TASKS = "tasks"
    STATISTICS = "statistics"  # arms, budgets, activity; not counted on PostgreSQL, see `storage.database.numbers`


def mark_changed(connection: Connection, topic: Topic, subject: str) -> None:
    """Count and record a change of the subject of this id (of a router: `tasks` too), and notify other processes."""
    if connection.dialect.name == "postgresql":
        parameters = {"topic": topic.value, "subject": subject, "channel": CHANNEL}
        revision: int = connection.execute(_MARK, parameters).scalar_one()
    else:
        revision = connection.execute(count_change(topic).returning(revisions.c.value)).scalar_one()
        connection.execute(insert(changes).values(topic=topic.value, revision=revision, subject=subject))
    if revision % FORGOTTEN_AT_ONCE == 0:
        old = (changes.c.topic == topic.value) & (changes.c.revision <= revision - KEPT_CHANGES)
        connection.execute(delete(changes).where(old))


def lock_topic(connection: Connection, topic: Topic) -> None:
    """Lock the topic until the commit. SQLite has one writing transaction at a time anyway."""
    connection.execute(select(revisions.c.value).where(revisions.c.topic == topic.value).with_for_update())


def count_change(topic: Topic) -> Update:
    """Build the statement, without parameters, that counts a change of `topic`."""
    named: ColumnElement[str] = literal_column(f"'{topic.value}'")
    return update(revisions).where(revisions.c.topic == named).values(value=revisions.c.value + literal_column("1"))


def notify(connection: Connection, topic: Topic) -> None:
    """Notify other processes at the commit."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, topic.value)))
