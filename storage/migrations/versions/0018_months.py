"""On PostgreSQL the ledger is partitioned by month.

The tables that are there become the partition `before`: no row is copied. Their keys are compared by bytes from now on
(COLLATE "C"), because in some languages `aa` comes after `z`; that builds the keys' indexes anew, a table at a time.
Foreign keys go: a partition could not be detached without a look for references in all others.
"""

import logging
import time
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from bandit.types import Epoch
from storage.database.months import BEFORE, OTHER, PARTITIONED, Month, add_months, month_of

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

REFERRING = ("attempts", "contents", "feedback", "scores")
KEYS = {
    "choices": ("id",),
    "decisions": ("completion_id",),
    "attempts": ("completion_id", "number"),
    "contents": ("completion_id",),
    "feedback": ("completion_id", "id"),
    "scores": ("completion_id", "source"),
}


def upgrade() -> None:
    op.create_table(
        "retired_months",
        sa.Column("suffix", sa.Text(), nullable=False),
        sa.Column("folded_to", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("suffix", name=op.f("pk_retired_months")),
    )
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    # At once and in the order of writers, which wait meanwhile: table by table would be a deadlock with them.
    op.execute(f"LOCK TABLE {', '.join(PARTITIONED)} IN ACCESS EXCLUSIVE MODE")
    for table in REFERRING:
        for name in _constraints(connection, table, "contype = 'f'"):
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for table, key in KEYS.items():
        log.info("partitioning the ledger: the keys of %s", table)
        op.execute(f'ALTER TABLE {table} ALTER COLUMN {key[0]} TYPE text COLLATE "C"')
    first = _first_month(connection)
    for number, table in enumerate(PARTITIONED):
        log.info("partitioning the ledger: %s, %d of %d", table, number + 1, len(PARTITIONED))
        _partition(connection, table, first)
    add_months(connection, first.start)
    add_months(connection, Epoch(time.time()))


def _first_month(connection: sa.Connection) -> Month:
    """The first month with a partition of its own: no row is of this month."""
    now = Epoch(time.time())
    latest = connection.execute(sa.text("SELECT max(completion_id) FROM decisions WHERE completion_id < 'req_f'"))
    last = latest.scalar()
    return month_of(now) if last is None or last < month_of(now).first_id else month_of(now).next()


def _partition(connection: sa.Connection, table: str, first: Month) -> None:
    key, before = KEYS[table], f"{table}_{BEFORE}"
    indexes = _indexes(connection, table)
    op.execute(f"ALTER TABLE {table} RENAME TO {before}")
    for name, _ in indexes:
        op.execute(f"ALTER INDEX {name} RENAME TO {_shortened(name)}")
    op.execute(
        f"CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE ({key[0]})"
    )
    # A check that old rows fail is the old partition's alone.
    for name in _constraints(connection, before, "contype = 'c' AND NOT convalidated"):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({', '.join(key)})")
    for name, definition in indexes:
        if name != f"pk_{table}":
            op.execute(definition)
    op.execute(f"CREATE TABLE {table}_{OTHER} PARTITION OF {table} DEFAULT")
    op.execute(
        f"WITH moved AS (DELETE FROM {before} WHERE {key[0]} >= '{first.first_id}' RETURNING *) "  # noqa: S608
        f"INSERT INTO {table}_{OTHER} SELECT * FROM moved"
    )
    op.execute(f"ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ('{first.first_id}')")


def _indexes(connection: sa.Connection, table: str) -> list[tuple[str, str]]:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :table"
    return [(row[0], row[1]) for row in connection.execute(sa.text(query), {"table": table})]


def _constraints(connection: sa.Connection, table: str, which: str) -> Sequence[str]:
    query = f"SELECT conname FROM pg_constraint WHERE {which} AND conrelid = to_regclass(:name)"  # noqa: S608
    return connection.execute(sa.text(query), {"name": table}).scalars().all()


def _shortened(name: str) -> str:
    return f"{name[: 63 - len(BEFORE) - 1]}_{BEFORE}"
