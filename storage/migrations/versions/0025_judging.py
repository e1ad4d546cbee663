"""Calls of judges beside all requests, and the probability with which an answer is drawn to be judged."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "judging",
        sa.Column("router_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("scored", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Double(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("router_id", "day", "purpose", "model_id", name=op.f("pk_judging")),
        sa.CheckConstraint("purpose IN ('judge', 'shadow')", name=op.f("ck_judging_purpose")),
        sqlite_with_rowid=False,
    )
    op.add_column("decisions", sa.Column("judge_probability", sa.Double(), nullable=True))
