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
    "WITH counted AS (UPDATE revisions SET value = value + :count WHERE topic = :topic RETURNING topic, value), "
    "named AS (INSERT INTO changes (topic, revision, subject) SELECT topic, value - :count + number, subject "
    "FROM counted, unnest(CAST(:subjects AS text[])) WITH ORDINALITY AS each_of (subject, number)) "
    "SELECT value, pg_notify(:channel, topic) FROM counted"
)
"""Counts, names and notifies of changes in one round trip."""


class Topic(StrEnum):
    """What every process holds a copy of. The values are the rows of `revisions`."""

    ROUTERS = "routers"
    KEYS = "keys"
    EVALS = "evals"
    RESUMPTIONS = "resumptions"  # of models, by an operator: an event, without a copy
    TASKS = "tasks"
    STATISTICS = "statistics"  # arms, budgets, activity; not counted on PostgreSQL, see `storage.database.numbers`


def mark_changed(connection: Connection, topic: Topic, *subjects: str) -> None:
    """Count and record a change of each of these ids (of routers: `tasks` too), and notify other processes."""
    count = len(subjects)
    if connection.dialect.name == "postgresql":
        parameters = {"topic": topic.value, "count": count, "subjects": list(subjects), "channel": CHANNEL}
        revision: int = connection.execute(_MARK, parameters).scalar_one()
    else:
        revision = connection.execute(count_change(topic, count).returning(revisions.c.value)).scalar_one()
        numbered = enumerate(subjects, start=revision - count + 1)
        rows = [{"topic": topic.value, "revision": number, "subject": subject} for number, subject in numbered]
        connection.execute(insert(changes), rows)
    if revision % FORGOTTEN_AT_ONCE < count:
        old = (changes.c.topic == topic.value) & (changes.c.revision <= revision - KEPT_CHANGES)
        connection.execute(delete(changes).where(old))


def lock_topic(connection: Connection, topic: Topic) -> None:
    """Lock the topic until the commit. SQLite has one writing transaction at a time anyway."""
    connection.execute(select(revisions.c.value).where(revisions.c.topic == topic.value).with_for_update())


def count_change(topic: Topic, count: int = 1) -> Update:
    """Build the statement, without parameters, that counts changes of `topic`."""
    named: ColumnElement[str] = literal_column(f"'{topic.value}'")
    return (
        update(revisions).where(revisions.c.topic == named).values(value=revisions.c.value + literal_column(str(count)))
    )


def notify(connection: Connection, topic: Topic) -> None:
    """Notify other processes at the commit."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, topic.value)))
