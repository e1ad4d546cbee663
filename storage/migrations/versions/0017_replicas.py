"""The processes that serve the ledger with their heartbeats, and records that the database refused."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replicas",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("spool", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("heartbeat_at", sa.Double(), nullable=False),
        sa.Column("clock_ahead_seconds", sa.Double(), nullable=False),
        sa.Column("spooling_since", sa.Double()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replicas")),
        sa.CheckConstraint(
            "started_at BETWEEN 0 AND 1e11 AND heartbeat_at BETWEEN 0 AND 1e11 AND spooling_since BETWEEN 0 AND 1e11",
            name=op.f("ck_replicas_times"),
        ),
    )
    op.create_table(
        "refused_records",
        sa.Column("completion_id", sa.Text(), nullable=False),
        sa.Column("router_id", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("completion_id", name=op.f("pk_refused_records")),
        sa.CheckConstraint("refused_at BETWEEN 0 AND 1e11", name=op.f("ck_refused_records_times")),
    )
